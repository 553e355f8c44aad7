/* A thread that counts in a SharedTable as fast as it can, beside others of its kind. */
import { SharedTable } from '../../src/system/shared-table.ts';

export interface CountingTask {
  readonly memory: SharedArrayBuffer;
  /** Word 0: how many threads are ready; they begin together. */
  readonly gate: SharedArrayBuffer;
  readonly threads: number;
  readonly keys: readonly string[];
  readonly rounds: number;
  /** Maximum requests of one key. */
  readonly max: number;
  /** Whether the requests leave again, in random order. */
  readonly leaves: boolean;
  readonly seed: number;
}

export interface CountingResult {
  /** How many requests were counted, by key. */
  readonly entered: Readonly<Record<string, number>>;
  /** How often a record was seen that no order of whole steps allows. */
  readonly torn: number;
}

declare const self: {
  onmessage: ((event: { data: CountingTask }) => void) | null;
  postMessage(result: CountingResult): void;
};

self.onmessage = ({ data: task }) => {
  const table = new SharedTable(task.memory);
  const gate = new Int32Array(task.gate);
  Atomics.add(gate, 0, 1);
  while (Atomics.load(gate, 0) < task.threads);
  self.postMessage(count(table, task));
};

function count(table: SharedTable, { keys, rounds, max, leaves, seed }: CountingTask): CountingResult {
  const entered: Record<string, number> = Object.fromEntries(keys.map((key) => [key, 0]));
  const inside: string[] = [];
  let torn = 0;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
  const leaveOne = (): void => {
    const [key] = inside.splice(random(inside.length), 1);
    if (key === undefined) return;
    table.update(key, (record) => {
      record.requests--;
      record.uploads -= 2;
      record.bytes -= 3_000_000_000;
    });
  };
  for (let round = 0; round < rounds; round++) {
    const key = keys[random(keys.length)] ?? '';
    const isIn = table.update(key, (record) => {
      // Each request has two uploads and three gigabytes, so the sums show a step that was seen or made by half.
      if (record.uploads !== 2 * record.requests || record.bytes !== 3_000_000_000 * record.requests) torn++;
      if (record.requests > max) torn++;
      if (record.requests >= max) return false;
      record.requests++;
      record.uploads += 2;
      record.bytes += 3_000_000_000;
      return true;
    });
    if (isIn) {
      inside.push(key);
      entered[key] = (entered[key] ?? 0) + 1;
    }
    if (table.requests(key) > max) torn++;
    if (leaves && random(2) === 0) leaveOne();
  }
  while (leaves && inside.length > 0) leaveOne();
  return { entered, torn };
}
