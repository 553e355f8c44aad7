import { expect, test } from 'bun:test';
import { constants } from 'node:os';
import { join } from 'node:path';

/** A process that has started threads, and starts more after it has given way. It prints the priorities and processors of all. */
const PROGRAM = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { readFile } from 'node:fs/promises';
  import { getPriority } from 'node:os';
  import { keepToOneProcessor, takeLowestPriority } from ${JSON.stringify(join(import.meta.dir, 'give-way.ts'))};
  const work = () => Promise.all(Array.from({ length: 64 }, () => readFile('/etc/hosts')));
  const threads = () => readdirSync('/proc/self/task').map(Number);
  const allowed = (thread) =>
    /^Cpus_allowed_list:\\s*(.*)$/m.exec(readFileSync('/proc/self/task/' + thread + '/status', 'utf8'))[1];
  await work();
  const before = { threads: threads().length, processors: allowed(process.pid) };
  takeLowestPriority();
  keepToOneProcessor();
  await work();
  Bun.gc(true);
  const priorities = threads().map((thread) => getPriority(thread));
  console.log(JSON.stringify({ before, priorities, processors: threads().map(allowed) }));
`;

interface Shown {
  readonly before: { readonly threads: number; readonly processors: string };
  readonly priorities: readonly number[];
  readonly processors: readonly string[];
}

/** The numbers in a list such as `0-2,5`. */
function numbersIn(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

async function shown(command: readonly string[] = []): Promise<Shown> {
  const child = Bun.spawn([...command, process.execPath, '-e', PROGRAM], { stdout: 'pipe', stderr: 'inherit' });
  const printed = (await new Response(child.stdout).json()) as Shown;
  expect(await child.exited).toBe(0);
  return printed;
}

test('all threads of a process get the lowest priority, those that it has and those that it starts', async () => {
  const { before, priorities } = await shown();
  expect(before.threads).toBeGreaterThan(1);
  expect(new Set(priorities)).toEqual(new Set([constants.priority.PRIORITY_LOW]));
});

test('all of them keep to one processor, the last one that it may use', async () => {
  const { before, processors } = await shown();
  expect(new Set(processors)).toEqual(new Set([String(numbersIn(before.processors).at(-1))]));
});

test('a process that may use one processor only keeps to that one', async () => {
  const [first] = numbersIn((await shown()).before.processors);
  const { before, processors } = await shown(['taskset', '-c', String(first)]);
  expect(before.processors).toBe(String(first));
  expect(new Set(processors)).toEqual(new Set([String(first)]));
});
