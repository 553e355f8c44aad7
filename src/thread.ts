/* What runs in a thread that is not the main one: it waits for its start, and serves until the owner ends it. */
import { Serving } from './serving.ts';
import { endProcess } from './system/end-process.ts';
import { logsOf } from './telemetry/log.ts';
import { offer } from './threads/calls.ts';
import type { ServingThread } from './threads/thread.ts';
import type { ThreadStart } from './threads/worker-thread.ts';

declare const self: { onmessage: ((event: { data: ThreadStart }) => void) | null };

self.onmessage = ({ data }) => void serve(data);

async function serve({ thread, config, log, serving }: ThreadStart): Promise<void> {
  const logs = await logsOf(log);
  const fail = (error: unknown): void => {
    // The other threads must not work on with what this one left half done.
    logs.logger.fatal({ err: error }, 'a thread failed: the process exits');
    logs.flush();
    endProcess(1);
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  offer<ServingThread>(serving, new Serving(config, logs, { kind: 'other', ...thread }));
}
