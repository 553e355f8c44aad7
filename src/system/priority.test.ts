import { expect, test } from 'bun:test';
import { constants } from 'node:os';
import { join } from 'node:path';

/** A process that has started threads, and starts more when its priority is lowered. It prints the priorities of all. */
const PROGRAM = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { readFile } from 'node:fs/promises';
  import { getPriority } from 'node:os';
  import { lowerPriority } from ${JSON.stringify(join(import.meta.dir, 'priority.ts'))};
  const work = () => Promise.all(Array.from({ length: 64 }, () => readFile('/etc/hosts')));
  const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [process.pid]);
  await work();
  const before = threads().length;
  lowerPriority();
  await work();
  Bun.gc(true);
  console.log(JSON.stringify({ before, priorities: threads().map((thread) => getPriority(thread)) }));
`;

test('all threads of a process get the lowest priority, those that it has and those that it starts', async () => {
  const child = Bun.spawn([process.execPath, '-e', PROGRAM], { stdout: 'pipe', stderr: 'inherit' });
  const { before, priorities } = (await new Response(child.stdout).json()) as {
    readonly before: number;
    readonly priorities: readonly number[];
  };
  expect(await child.exited).toBe(0);
  if (process.platform === 'linux') expect(before).toBeGreaterThan(1);
  expect(new Set(priorities)).toEqual(new Set([constants.priority.PRIORITY_LOW]));
});
