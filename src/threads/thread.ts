import type { MetricsPart } from '../telemetry/metrics-page.ts';

/**
 * A process serves on several threads. Thread 0 is the main thread and the *owner*: it serves like the others, and it alone has what exists
 * once in a process: jobs, the control socket, the folder's lock. Every thread has its own server, registry and views.
 */

/** The services that the owner offers to every other thread, each over a port of its own; `news` is offered to the owner. */
export const SERVICES = [
  'process',
  'jobs',
  'blobs',
  'store',
  'sessions',
  'quotas',
  'pulls',
  'news',
  'judge',
  'keys',
  'overview',
  'notes',
  'operations',
] as const;

/** The owner's ends of these ports, or those of another thread. */
export type ServicePorts = Readonly<Record<(typeof SERVICES)[number], MessagePort>>;

/** Memory that all threads of a process share, accessed by Atomics. */
export interface SharedMemory {
  /** Keeps the views of all threads current: Heads in projection/threads/. */
  readonly heads: SharedArrayBuffer;
  readonly limits: LimitMemory;
  /** Which upload sessions of a data folder are in use or have ended: SharedMarks in sessions/. */
  readonly sessions: SessionMemory;
  /** The newest slot of the log of robots: RobotsHead in access/robots/. */
  readonly robots: SharedArrayBuffer;
  /** The newest note: NotesHead in feed/notes/. */
  readonly notes: SharedArrayBuffer;
}

/** What is in progress on all threads. */
export interface LimitMemory {
  /** One 32-bit word: the requests. */
  readonly total: SharedArrayBuffer;
  /** Each a SharedTable in system/: by client, and by subject. */
  readonly clients: SharedArrayBuffer;
  readonly subjects: SharedArrayBuffer;
}

export interface SessionMemory {
  readonly taken: SharedArrayBuffer;
  readonly ended: SharedArrayBuffer;
}

/** What a thread that is not the owner gets at its start. */
export interface ThreadPorts {
  /** From 1. */
  readonly index: number;
  /** How many threads there are, with the owner. */
  readonly count: number;
  readonly memory: SharedMemory;
  /** To the owner. */
  readonly services: ServicePorts;
}

/** Another thread, as the owner sees it. */
export interface OtherThread {
  /** From 1. */
  readonly index: number;
  /** To that thread. */
  readonly services: ServicePorts;
  readonly serving: ServingThread;
}

/** The part that a thread has in its process. */
export type Thread =
  | { readonly kind: 'alone' }
  | {
      readonly kind: 'owner';
      readonly count: number;
      readonly memory: SharedMemory;
      readonly others: readonly OtherThread[];
    }
  | ({ readonly kind: 'other' } & ThreadPorts);

/** The only thread of its process, or one that shares nothing with the others. */
export const ALONE: Thread = { kind: 'alone' };

/** A thread that serves, from its start to its end. The functions are called in this order, each once, except `metrics`, `begun` and `inFlight`. */
export interface ServingThread {
  /** Opens the store and wires the thread. The owner is wired first. @throws errors that the operator can fix */
  wire(): Promise<void>;
  /** Opens the port for clients. @param port which the owner has; 0 in the owner if it may choose one. @returns the port */
  listen(port: number): Promise<number>;
  /** This thread's metrics. */
  metrics(): Promise<MetricsPart>;
  /** Requests since the start. */
  begun(): Promise<number>;
  /** Requests in progress. */
  inFlight(): Promise<number>;
  /** Accepts no more connections and requests. Resolves when no request is in progress, or after the time. @param within milliseconds */
  drain(within: number): Promise<void>;
  /** Closes all connections. @param within milliseconds for the last bytes to leave */
  disconnect(within: number): Promise<void>;
  /** Stops the background work and releases the store. */
  close(): Promise<void>;
}

export const SERVING = [
  'wire',
  'listen',
  'metrics',
  'begun',
  'inFlight',
  'drain',
  'disconnect',
  'close',
] as const satisfies readonly (keyof ServingThread)[];

/** What the owner offers by the service `process`. */
export interface ProcessService {
  /** The metrics of all threads, in Prometheus's text format. */
  renderMetrics(): Promise<string>;
}
