import packageJson from '../package.json' with { type: 'json' };
import type { Config } from './config.ts';
import type { Serving } from './serving.ts';
import { within } from './system/within.ts';
import { onHangUp } from './telemetry/hang-up.ts';
import { type Logs, logsOf, openLogTargets } from './telemetry/log.ts';
import type { ServingThread, Thread } from './threads/thread.ts';
import { WorkerThread } from './threads/worker-thread.ts';
import { warnOfPoolSize } from './wiring/disk-threads.ts';
import type { Listeners } from './wiring/listeners.ts';
import { allocateSharedMemory, threadCount } from './wiring/threads.ts';
import type { Node } from './wiring.ts';

const { version } = packageJson;

/** How long the threads of a draining process may take for anything that has a shorter deadline of its own. */
const ANSWER_WITHIN_MS = 5_000;
/** How long they may take to end their background work. */
const CLOSE_WITHIN_MS = 20_000;

/** The threads of this process. */
interface Threads {
  /** This one. */
  readonly own: Serving;
  readonly workers: readonly WorkerThread[];
  /** All. */
  readonly serving: readonly ServingThread[];
}

/** Starts a node and returns once it listens. SIGTERM and SIGINT drain it and end the process, SIGHUP only where its terminal is gone. */
export async function run(config: Config): Promise<void> {
  const count = threadCount(config);
  const [target, ...targets] = openLogTargets({ level: config.logLevel, format: config.logFormat }, count);
  if (target === undefined) throw new Error('there is no target for the log');
  const logs = await logsOf(target);
  const memory = allocateSharedMemory(config);
  // All threads load the code that serves at the same time.
  const workers = targets.map(
    (log, index) =>
      new WorkerThread({
        index: index + 1,
        count,
        memory,
        config,
        log,
        entry: new URL('./thread.ts', import.meta.url).href,
        lost: (reason) => exitWithout(index + 1, reason, logs),
      }),
  );
  const thread: Thread = count === 1 ? { kind: 'alone' } : { kind: 'owner', count, memory, others: workers };
  const serving = await import('./serving.ts');
  const own = new serving.Serving(config, logs, thread);
  const threads: Threads = { own, workers, serving: [own, ...workers.map(({ serving }) => serving)] };
  await own.wire();
  await Promise.all(workers.map(({ serving }) => serving.wire()));
  const listening = Promise.withResolvers<void>();
  let isDraining = false;
  const drainOnce = (signal: NodeJS.Signals): void => {
    process.off('SIGTERM', drainOnce);
    process.off('SIGINT', drainOnce);
    // A terminal that is closed, and npm too, may send SIGHUP to the same process.
    if (isDraining) return;
    isDraining = true;
    void listening.promise.then(() => drain(threads, config, logs, signal));
  };
  // Before the first thread listens, because clients may use its port while others do not listen yet.
  process.on('SIGTERM', drainOnce);
  process.on('SIGINT', drainOnce);
  onHangUp(drainOnce, logs.logger);
  const port = await own.listen(config.port);
  await Promise.all(workers.map(({ serving }) => serving.listen(port)));
  listening.resolve();
  warnOfPoolSize(config, logs.logger);
  announce(own.node, own.listeners, config, count, logs);
}

/** A thread is not replaced: what it shares with the others may be half changed. The next start is as after kill -9. */
function exitWithout(thread: number, reason: string, logs: Logs): never {
  logs.logger.fatal({ thread, reason }, 'a thread ended: the process exits');
  logs.flush();
  process.exit(1);
}

function announce(node: Node, { scheme, port }: Listeners, config: Config, threads: number, logs: Logs): void {
  const host = config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host;
  if (process.stdout.isTTY) {
    process.stdout.write(
      [
        `Marina ${version}, ${node.shape === 'embedded' ? 'embedded: one process' : 'a node of a cluster'}`,
        `  storage   ${node.place} (${node.storage}, store ${node.store})`,
        `  address   ${scheme}://${host}:${port}`,
        `  access    ${node.isOpen ? 'open: everyone who reaches the port may do everything (docs/access.md)' : 'accounts and rules'}`,
        `  next      docker tag my-image ${host}:${port}/my-image && docker push ${host}:${port}/my-image`,
        '',
        '',
      ].join('\n'),
    );
  }
  logs.logger.info(
    {
      version,
      shape: node.shape,
      storage: node.place,
      store: node.store,
      address: `${scheme}://${config.host}:${port}`,
      threads,
    },
    'Marina is listening',
  );
  logs.flush();
}

/** Refuses new requests, gives those in flight a bounded time to finish, and exits with 0. */
async function drain({ own, workers, serving }: Threads, config: Config, logs: Logs, signal: string): Promise<void> {
  const inFlight = async (): Promise<number> => {
    const counts = await all(serving, ANSWER_WITHIN_MS, (thread) => thread.inFlight());
    return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  };
  logs.logger.info({ signal, inFlight: await inFlight() }, 'draining');
  const deadline = performance.now() + config.drainTimeout;
  const left = (): number => Math.max(0, deadline - performance.now());
  await all(serving, left() + ANSWER_WITHIN_MS, (thread) => thread.drain(left()));
  const cutOff = await inFlight();
  if (cutOff > 0) logs.logger.warn({ inFlight: cutOff }, 'requests are cut off after the drain timeout');
  await all(serving, left() + ANSWER_WITHIN_MS, (thread) => thread.disconnect(left()));
  // The others need this thread until they are closed.
  const others = workers.map((worker) => worker.serving);
  await all(others, CLOSE_WITHIN_MS, (thread) => thread.close());
  for (const worker of workers) worker.end();
  await own.close();
  logs.logger.info('stopped');
  logs.flush();
  process.exit(0);
}

/** Does something in all of the threads at once. @returns undefined for each that has not done it in time */
function all<T>(
  threads: readonly ServingThread[],
  milliseconds: number,
  act: (thread: ServingThread) => Promise<T>,
): Promise<(T | undefined)[]> {
  return Promise.all(threads.map((thread) => within(milliseconds, act(thread))));
}
