import { z } from 'zod';
import { RegistryError, unreachable } from '../oci/errors.ts';
import { jsonOf } from '../oci/json.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { READ_ONLY_SWITCH } from '../storage/paths.ts';

/**
 * `paused`: the operator's switch is on; uploads in progress may finish. `read-only`: READ_ONLY is set for this process. `replica`: the
 * store is a replica, which only its source changes.
 */
export type WriteState = 'writable' | 'paused' | 'read-only' | 'replica';

/** What a replica tells clients that want to write. */
export interface ReplicaWrites {
  /** URL of the registry that accepts writes. */
  readonly source: string;
  /** Whether clients are redirected there. */
  readonly redirects: boolean;
}

const schema = z.object({ since: z.iso.datetime(), by: z.string().max(255).optional() });

/** How the operator's switch is, while it is on. */
export interface SwitchedOn {
  /** ISO 8601, or `unknown` if the object cannot be decoded. */
  readonly since: string;
  /** Who turned it on; undefined if that is not known. */
  readonly by: string | undefined;
}

/**
 * The operator's switch: an object in the store, so that it survives restarts and the loss of Redis. Its existence alone decides.
 * @returns undefined while it is off
 */
export async function readSwitch(store: Pick<StoreReader, 'read'>): Promise<SwitchedOn | undefined> {
  const bytes = await store.read(READ_ONLY_SWITCH);
  if (bytes === undefined) return undefined;
  const { since, by } = schema.safeParse(jsonOf(bytes)).data ?? { since: 'unknown' };
  return { since, by };
}

/** @param by the label of who turns it @throws Error if the switch may not have been changed */
export async function turnSwitch(
  store: Pick<ObjectStore, 'put' | 'delete' | 'read'>,
  on: boolean,
  now: number,
  by?: string,
): Promise<void> {
  if (!on) {
    const [failure] = await store.delete([READ_ONLY_SWITCH]);
    if (failure !== undefined) throw failure.cause;
    return;
  }
  // It is already on, and keeps its time.
  if ((await readSwitch(store)) !== undefined) return;
  const content = { since: new Date(now).toISOString(), by };
  await store.put(READ_ONLY_SWITCH, new TextEncoder().encode(JSON.stringify(content)));
}

export interface WriteSwitchPorts {
  readonly driver: Pick<ObjectStore, 'put' | 'delete' | 'read'>;
  /** READ_ONLY. If set, the switch is ignored. */
  readonly isReadOnly: boolean;
  /** Of a process with REPLICA_OF. @property isReplica false once the store was promoted; it throws any error of the store */
  readonly replica?: (ReplicaWrites & { readonly isReplica: () => Promise<boolean> }) | undefined;
  /** Milliseconds. */
  readonly now: () => number;
  readonly onChange: (state: WriteState) => void;
}

/** What one process knows about whether the store may be written to. */
export class WriteSwitch {
  readonly #ports: WriteSwitchPorts;
  #state: WriteState;
  #stop = new AbortController();
  #looking: Promise<void> | undefined;

  private constructor(ports: WriteSwitchPorts) {
    this.#ports = ports;
    const unlessReadOnly = ports.replica === undefined ? 'writable' : 'replica';
    this.#state = ports.isReadOnly ? 'read-only' : unlessReadOnly;
    if (this.#state !== 'writable') this.#stop.abort();
  }

  /** @throws any error of the store: a process that cannot read the switch must not write */
  static async open(ports: WriteSwitchPorts): Promise<WriteSwitch> {
    const writes = new WriteSwitch(ports);
    await writes.look();
    return writes;
  }

  get state(): WriteState {
    return this.#state;
  }

  /** @throws RegistryError `read-only`, `writes-paused`, `replica`, `elsewhere` */
  requireWritable(): void {
    const { refused } = this;
    if (refused !== undefined) throw refused;
  }

  /** The error for every client that wants to write now; undefined while the store accepts writes. */
  get refused(): RegistryError | undefined {
    return this.#state === 'writable' ? undefined : this.refusal(this.#state);
  }

  /** The error for a client whose write is refused. */
  refusal(state: Exclude<WriteState, 'writable'>): RegistryError {
    return refusal(state, this.#ports.replica);
  }

  /** Aborted as soon as writes are off. When they resume, this returns a new signal. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /** Reads the switch; concurrent calls share one read. If the read fails, this rejects and the state stays. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** As `look`, by a read that begins after this call: one in progress may have begun before the switch was turned. */
  async lookAgain(): Promise<void> {
    await this.#looking?.catch(ignoreReported);
    await this.look();
  }

  /** Changes the switch, in this process at once. @param by as in `turnSwitch` @throws RegistryError `request-invalid` if READ_ONLY is set */
  async turn(on: boolean, by?: string): Promise<void> {
    if (this.#ports.isReadOnly) throw isSetForGood();
    await turnSwitch(this.#ports.driver, on, this.#ports.now(), by);
    // A read that began earlier may have seen the old value, so it must not be applied after this.
    await this.#looking?.catch(ignoreReported);
    if (this.#state !== 'replica') this.#become(on ? 'paused' : 'writable');
  }

  async #look(): Promise<void> {
    const { isReadOnly, replica, driver } = this.#ports;
    if (isReadOnly) return;
    // A store that was promoted never becomes a replica again.
    if (this.#state === 'replica' && (await replica?.isReplica()) === true) return;
    this.#become((await readSwitch(driver)) === undefined ? 'writable' : 'paused');
  }

  #become(state: WriteState): void {
    if (state === this.#state) return;
    this.#state = state;
    if (state === 'writable') this.#stop = new AbortController();
    else this.#stop.abort();
    this.#ports.onChange(state);
  }
}

/** The callers of `look` get the failure of a read. */
function ignoreReported(): void {}

/** For commands. @throws RegistryError `read-only`, `writes-paused`, `replica` */
export function requireWritable(state: WriteState, replica?: ReplicaWrites): void {
  if (state !== 'writable') throw refusal(state, replica);
}

/** @param replica of a process with REPLICA_OF */
export function refusal(state: Exclude<WriteState, 'writable'>, replica?: ReplicaWrites): RegistryError {
  switch (state) {
    case 'read-only':
      return new RegistryError('read-only', 'this registry is read-only (READ_ONLY): nothing can be pushed or deleted');
    case 'paused':
      return new RegistryError(
        'writes-paused',
        'this registry is read-only for now (marina read-only): nothing can be pushed or deleted until it is switched off',
      );
    case 'replica': {
      const source = replica?.source ?? 'another registry';
      const kind = replica?.redirects === true ? 'elsewhere' : 'replica';
      const message = `this registry is a replica of ${source}: push and delete there`;
      return new RegistryError(kind, message, { primary: source });
    }
    default:
      return unreachable(state);
  }
}

export function isSetForGood(): RegistryError {
  return new RegistryError(
    'request-invalid',
    'READ_ONLY=true is set: change that and restart; the switch has no effect while it is set',
  );
}
