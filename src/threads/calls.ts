import { type ErrorMessage, errorMessage, errorOf } from './thread-error.ts';

/**
 * Functions that one thread offers to another. Arguments and results are structurally cloned: an AbortSignal, a function or an object of
 * a class cannot be one of them.
 */
export type Service<S> = { readonly [K in keyof S]: (...args: never[]) => Promise<unknown> };

interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

type Reply =
  | { readonly id: number; readonly kind: 'returned'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'threw'; readonly error: ErrorMessage };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Answers the calls that arrive at the port. Calls begin in the order in which they were made; each is answered as soon as it has ended.
 * @param port for this service alone
 */
export function offer<S extends Service<S>>(port: MessagePort, service: S): void {
  const replies = new Batch<Reply>(port, ({ id }, error) => {
    replies.add({ id, kind: 'threw', error: errorMessage(error) });
  });
  const run = async ({ id, name, args }: Call): Promise<void> => {
    try {
      const method: unknown = Reflect.get(service, name);
      if (typeof method !== 'function') throw new Error(`the other thread offers no ${name}`);
      const value: unknown = await Reflect.apply(method, service, args);
      replies.add({ id, kind: 'returned', value: compact(value) });
    } catch (error) {
      replies.add({ id, kind: 'threw', error: errorMessage(error) });
    }
  };
  port.onmessage = (event: { readonly data: readonly Call[] }) => {
    for (const call of event.data) void run(call);
  };
}

/**
 * The functions that the other end of the port offers. They reject as they would in the other thread: a RegistryError keeps its kind,
 * message and detail, an Unanswered stays one, and any other error keeps its name, message and `code`. They wait for as long as the other
 * thread takes: a caller that must not wait so long sets its own deadline.
 * @param port for this service alone
 * @param names of all functions of the service
 */
export function remote<S extends Service<S>>(port: MessagePort, names: readonly (keyof S & string)[]): S {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  const settle = (reply: Reply): void => {
    const call = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.kind === 'returned') call?.resolve(reply.value);
    else call?.reject(errorOf(reply.error));
  };
  const calls = new Batch<Call>(port, ({ id }, error) => settle({ id, kind: 'threw', error: errorMessage(error) }));
  port.onmessage = (event: { readonly data: readonly Reply[] }) => {
    for (const reply of event.data) settle(reply);
  };
  const call = (name: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      calls.add({ id, name, args: args.map(compact) });
    });
  const functions = Object.fromEntries(names.map((name) => [name, (...args: unknown[]) => call(name, args)]));
  // The other thread runs the same code, so what it answers has the types of S.
  return functions as unknown as S;
}

/** Sends what is added in one tick as one message, in order. A message costs much more than one thing more in it. */
class Batch<T> {
  readonly #port: MessagePort;
  readonly #refused: (item: T, error: unknown) => void;
  #items: T[] = [];

  /** @param refused called for each item that cannot be cloned */
  constructor(port: MessagePort, refused: (item: T, error: unknown) => void) {
    this.#port = port;
    this.#refused = refused;
  }

  add(item: T): void {
    if (this.#items.push(item) === 1) queueMicrotask(() => this.#send());
  }

  #send(): void {
    const items = this.#items;
    this.#items = [];
    try {
      this.#port.postMessage(items);
    } catch {
      // One of them cannot be cloned, and must not keep the others back.
      for (const item of items) this.#sendAlone(item);
    }
  }

  #sendAlone(item: T): void {
    try {
      this.#port.postMessage([item]);
    } catch (error) {
      this.#refused(item, error);
    }
  }
}

/** Copies bytes out of a larger buffer, because a clone of a view carries the whole buffer. Also looks into arrays. */
function compact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(compact);
  if (value instanceof Uint8Array && value.byteLength < value.buffer.byteLength) return new Uint8Array(value);
  return value;
}
