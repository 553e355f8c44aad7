// Preloaded into a server: with each SIGUSR2 it prints how many functions it has made since the last one, less those that a collection freed.
import { heapStats } from 'bun:jsc';
import { threadId } from 'node:worker_threads';

type Counts = Readonly<Record<string, number>>;

if (threadId === 0) {
  let before: Counts = {};
  process.on('SIGUSR2', () => {
    const now = heapStats().objectTypeCounts;
    const made = (type: string): number => (now[type] ?? 0) - (before[type] ?? 0);
    const counts = { requests: made('Request'), functions: made('Function') };
    console.error(`heap-counts ${JSON.stringify(counts)}`);
    Bun.gc(true);
    before = heapStats().objectTypeCounts;
  });
}
