// A client on a thread of its own, whose one connection a chosen thread of the server serves.

export type BusyRequest =
  | { readonly kind: 'connect'; readonly address: string; readonly thread: number; readonly path: string }
  /** One page of each repository's tags. */
  | { readonly kind: 'lists'; readonly repositories: readonly string[] }
  /** Each of the most expensive legal manifests. @param seed makes them differ from those of other seeds */
  | { readonly kind: 'worst-manifests'; readonly times: number; readonly seed: number };

/** The request is over, or what failed. */
export type BusyAnswer = { readonly error?: string };

/** Its handle for other threads. */
export class BusyClient {
  readonly #worker = new Worker(new URL('./busy-client-worker.ts', import.meta.url));

  private constructor() {}

  /** @param path of a small answer */
  static async connect(address: string, thread: number, path: string): Promise<BusyClient> {
    const client = new BusyClient();
    await client.run({ kind: 'connect', address, thread, path });
    return client;
  }

  /** @throws Error of a request that failed */
  async run(request: BusyRequest): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#worker.onmessage = ({ data: { error } }: MessageEvent<BusyAnswer>) =>
      error === undefined ? resolve() : reject(new Error(error));
    this.#worker.onerror = ({ message }) => reject(new Error(message));
    this.#worker.postMessage(request);
    await promise;
  }

  close(): void {
    this.#worker.terminate();
  }
}
