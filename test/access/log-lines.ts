// The lines that an action of a test adds to the server's log.
import { eventually } from '../support/eventually.ts';
import type { Server } from '../support/server.ts';

export type Line = Readonly<Record<string, unknown>>;

/** Settings of servers for linesDuring: each thread writes its lines by itself, so only those of one thread are in order. */
export const ORDERED_LINES = { THREADS: '1' };

/** All lines of an action, and none of requests before it: the server writes lines a moment after it has answered. */
export async function linesDuring(server: Server, work: () => Promise<unknown>): Promise<readonly Line[]> {
  const before = await endOfLines(server);
  await work();
  const after = await endOfLines(server);
  const lines = server.logs().slice(before.end, after.end).trimEnd().split('\n');
  return lines.map((line): Line => JSON.parse(line)).filter(({ path }) => path !== after.path);
}

/** Lines are written in order, so once the line of a request appears, all earlier ones are there. @returns where that line ends */
async function endOfLines(server: Server): Promise<{ readonly path: string; readonly end: number }> {
  const path = `/v2/marker-${crypto.randomUUID()}/tags/list`;
  await (await fetch(server.url + path)).arrayBuffer();
  let end = 0;
  await eventually(() => {
    const logs = server.logs();
    const at = logs.indexOf(path);
    end = at < 0 ? 0 : logs.indexOf('\n', at) + 1;
    if (end === 0) throw new Error('the line of the last request is not there yet');
  });
  return { path, end };
}
