import type { Config } from '../config.ts';
import type { LogTarget } from '../telemetry/log.ts';
import { remote } from './calls.ts';
import {
  type OtherThread,
  SERVICES,
  SERVING,
  type ServicePorts,
  type ServingThread,
  type ThreadPorts,
} from './thread.ts';

/** The one message to a thread at its start. */
export interface ThreadStart {
  readonly thread: ThreadPorts;
  readonly config: Config;
  readonly log: LogTarget;
  /** On which it offers itself as a ServingThread. */
  readonly serving: MessagePort;
}

export interface WorkerThreadOptions extends Omit<ThreadStart, 'thread' | 'serving'>, Omit<ThreadPorts, 'services'> {
  /** URL of the file that runs there. It receives a ThreadStart. */
  readonly entry: string;
  /** Called at most once, when the thread ends though `end` was not called. */
  readonly lost: (reason: string) => void;
}

/** The owner's handle for another thread of the process. */
export class WorkerThread implements OtherThread {
  readonly index: number;
  readonly services: ServicePorts;
  readonly serving: ServingThread;
  readonly #worker: Worker;
  readonly #lost: (reason: string) => void;
  #isEnded = false;

  /** Starts the thread, which then loads its code. */
  constructor({ entry, lost, index, count, memory, config, log }: WorkerThreadOptions) {
    const serving = new MessageChannel();
    const channels = SERVICES.map((name) => [name, new MessageChannel()] as const);
    const mine = Object.fromEntries(channels.map(([name, { port1 }]) => [name, port1]));
    const theirs = Object.fromEntries(channels.map(([name, { port2 }]) => [name, port2]));
    this.index = index;
    this.services = mine as ServicePorts;
    this.serving = remote<ServingThread>(serving.port1, SERVING);
    this.#lost = lost;
    this.#worker = new Worker(entry);
    this.#worker.onerror = ({ message }) => this.#lose(message);
    this.#worker.addEventListener('close', ({ code }) => this.#lose(`it exited with code ${code}`));
    const thread: ThreadPorts = { index, count, memory, services: theirs as ServicePorts };
    const start: ThreadStart = { thread, config, log, serving: serving.port2 };
    this.#worker.postMessage(start, [serving.port2, ...channels.map(([, { port2 }]) => port2)]);
  }

  /** Ends the thread, whatever it does. */
  end(): void {
    this.#isEnded = true;
    this.#worker.terminate();
  }

  #lose(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#lost(reason);
  }
}
