import { z } from 'zod';
import { RegistryError } from '../oci/errors.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { READ_ONLY_SWITCH } from '../storage/paths.ts';

/** `paused`: the operator's switch is on; uploads in progress may finish. `read-only`: READ_ONLY is set for this process. */
export type WriteState = 'writable' | 'paused' | 'read-only';

const schema = z.object({ since: z.iso.datetime() });

/**
 * The operator's switch: an object in the store, so that it survives restarts and the loss of Redis. Its existence alone decides.
 * @returns since when it has been on: ISO 8601, or `unknown` if the object cannot be decoded; undefined while it is off
 */
export async function readSwitch(store: Pick<StoreReader, 'read'>): Promise<string | undefined> {
  const bytes = await store.read(READ_ONLY_SWITCH);
  if (bytes === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(bytes))).since;
  } catch {
    return 'unknown';
  }
}

/** @throws Error if the switch may not have been changed */
export async function turnSwitch(
  store: Pick<ObjectStore, 'put' | 'delete' | 'read'>,
  on: boolean,
  now: number,
): Promise<void> {
  if (!on) {
    const [failure] = await store.delete([READ_ONLY_SWITCH]);
    if (failure !== undefined) throw failure.cause;
    return;
  }
  // It is already on, and keeps its time.
  if ((await readSwitch(store)) !== undefined) return;
  await store.put(READ_ONLY_SWITCH, new TextEncoder().encode(JSON.stringify({ since: new Date(now).toISOString() })));
}

export interface WriteSwitchPorts {
  readonly driver: Pick<ObjectStore, 'put' | 'delete' | 'read'>;
  /** READ_ONLY. If set, the switch is ignored. */
  readonly isReadOnly: boolean;
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
    this.#state = ports.isReadOnly ? 'read-only' : 'writable';
    if (ports.isReadOnly) this.#stop.abort();
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

  /** Changes the switch, in this process at once. @throws RegistryError `request-invalid` if READ_ONLY is set */
  async turn(on: boolean): Promise<void> {
    if (this.#ports.isReadOnly) throw isSetForGood();
    await turnSwitch(this.#ports.driver, on, this.#ports.now());
    // A read that began earlier may have seen the old value, so it must not be applied after this.
    await this.#looking?.catch(ignoreReported);
    this.#become(on ? 'paused' : 'writable');
  }

  async #look(): Promise<void> {
    if (this.#ports.isReadOnly) return;
    this.#become((await readSwitch(this.#ports.driver)) === undefined ? 'writable' : 'paused');
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

/** For commands and background work. @throws RegistryError `read-only`, `writes-paused` */
export function requireWritable(state: WriteState): void {
  if (state !== 'writable') throw refusal(state);
}

export function refusal(state: Exclude<WriteState, 'writable'>): RegistryError {
  return state === 'read-only'
    ? new RegistryError('read-only', 'this registry is read-only (READ_ONLY): nothing can be pushed or deleted')
    : new RegistryError(
        'writes-paused',
        'this registry is read-only for now (marina read-only): nothing can be pushed or deleted until it is switched off',
      );
}

export function isSetForGood(): RegistryError {
  return new RegistryError(
    'request-invalid',
    'READ_ONLY=true is set: change that and restart; the switch has no effect while it is set',
  );
}
