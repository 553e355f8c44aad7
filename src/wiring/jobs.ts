import type { Job } from '../jobs/job.ts';
import { offer, remote } from '../threads/calls.ts';
import type { Thread, ThreadPorts } from '../threads/thread.ts';

/** The background work of a process, which one of its threads does or hands to the workers of a cluster. */
export interface Jobs {
  /** Takes a bounded time. @returns false if the job was not accepted, for example because the process is stopping */
  readonly enqueue: (job: Job) => Promise<boolean>;
  readonly close: () => Promise<void>;
}

/** What the owner offers by the service `jobs`. */
type JobsService = Pick<Jobs, 'enqueue'>;

export function offerJobs(thread: Thread, { enqueue }: JobsService): void {
  if (thread.kind !== 'owner') return;
  for (const { services } of thread.others) offer<JobsService>(services.jobs, { enqueue });
}

export function jobsOfOwner({ services }: ThreadPorts): Jobs {
  return { ...remote<JobsService>(services.jobs, ['enqueue']), close: async () => {} };
}
