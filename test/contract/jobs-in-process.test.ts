import { InProcessQueue } from '../../src/jobs/in-process.ts';
import { sleepUntil } from '../support/jobs.ts';
import { jobsContract } from './jobs.contract.ts';

jobsContract('in the serving process', async (under) => {
  const queue = new InProcessQueue({ ...under, now: Date.now, sleep: sleepUntil });
  return { queue, stop: () => queue.close() };
});
