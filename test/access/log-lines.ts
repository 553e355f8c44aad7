// What the server's log says of something that a test does.
import { eventually } from '../support/eventually.ts';
import type { Server } from '../support/server.ts';

export type Line = Readonly<Record<string, unknown>>;

/** The lines of everything that is done, all of them: lines are written in order, so those before a last request's are there with it. */
export async function linesDuring(server: Server, work: () => Promise<unknown>): Promise<readonly Line[]> {
  const before = server.logs().length;
  await work();
  const last = `/v2/last-${crypto.randomUUID()}/tags/list`;
  await (await fetch(server.url + last)).arrayBuffer();
  let lines: readonly Line[] = [];
  await eventually(() => {
    const written = server.logs().slice(before);
    if (!written.includes(last)) throw new Error('the line of the last request is not there yet');
    lines = written
      .trim()
      .split('\n')
      .map((line): Line => JSON.parse(line))
      .filter(({ path }) => path !== last);
  });
  return lines;
}
