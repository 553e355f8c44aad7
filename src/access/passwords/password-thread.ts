import { refuseWithoutDescriptors } from '../../system/descriptors.ts';
import type { CheckReply, CheckRequest } from './check-protocol.ts';

/** Far more than any accepted hash takes, even on a slow machine. */
const MAX_CHECK_MS = 60_000;

interface Waiting {
  resolve(isRight: boolean): void;
  reject(error: Error): void;
}

/** The serving thread's handle for a thread that checks one password at a time. The thread starts on first use. */
export class PasswordThread {
  #worker: Worker | undefined;
  #waiting: Waiting | undefined;

  /** Must not be called while another check is running. @throws Error if the thread fails */
  async check(request: CheckRequest): Promise<boolean> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const timer = setTimeout(() => this.#end(`no reply within ${MAX_CHECK_MS} ms`), MAX_CHECK_MS);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        worker.postMessage(request);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#end('it was stopped');
  }

  #start(): Worker {
    refuseWithoutDescriptors();
    const worker = new Worker(new URL('./password-worker.ts', import.meta.url).href);
    // The thread need not keep the process alive: a waiting request does.
    worker.unref();
    worker.onmessage = (event: MessageEvent<CheckReply>) => this.#receive(event.data);
    worker.onerror = (event) => this.#end(event.message);
    return worker;
  }

  #receive(reply: CheckReply): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (reply.kind === 'checked') waiting?.resolve(reply.isRight);
    else waiting?.reject(new Error(`a password could not be checked: ${reply.message}`));
  }

  /** The next check starts a new thread. */
  #end(reason: string): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new Error(`the thread that checks passwords ended: ${reason}`));
  }
}
