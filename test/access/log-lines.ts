// The lines that an action of a test adds to the server's log.
import { eventually } from '../support/eventually.ts';
import type { Server } from '../support/server.ts';

export type Line = Readonly<Record<string, unknown>>;

/** All lines of an action. Lines are written in order, so once the line of a last request appears, all earlier ones are there. */
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
