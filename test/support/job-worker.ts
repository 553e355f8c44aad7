// A separate worker process, to be killed: it prints each job that it begins, and never ends one.
// usage: bun test/support/job-worker.ts <Redis URL> <store> <milliseconds after which it counts as lost>
import { openBullWorkers } from './jobs.ts';

const [url = '', store = '', lostAfter = ''] = process.argv.slice(2);

openBullWorkers(url, store, {
  run: (job) => {
    process.stdout.write(`${JSON.stringify(job)}\n`);
    return new Promise(() => {});
  },
  onError: console.error,
  lostAfter: Number(lostAfter),
});
