import { Fault } from '../../support/drill/fault.ts';
import { type Server, startServer } from '../../support/server.ts';
import { within } from '../../support/within.ts';
import { RawClient } from '../raw-client.ts';

const ANSWER_WITHIN_MS = 60_000;
const DEATH_WITHIN_MS = 20_000;

/** The server died before it responded: the request was in flight. */
export class Gone extends Error {
  override readonly name = 'Gone';
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** One life of the server, from its start to its kill. */
export class Life {
  readonly server: Server;
  #ended = false;

  constructor(server: Server) {
    this.server = server;
    void server.process.exited.then(() => {
      this.#ended = true;
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * The response, whatever its status below 500.
   * @throws Gone if the connection broke because the server is dead; any other broken connection is a fault
   */
  async send(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    try {
      const response = await fetch(`${this.server.url}${path}`, {
        redirect: 'manual',
        ...init,
        method,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      const { status, headers } = response;
      const answer = { status, headers, bytes: await response.bytes() };
      if (status < 500) return answer;
      const text = new TextDecoder().decode(answer.bytes);
      throw new Fault(`${method} ${path} was answered with ${status}: ${text}\n${tail(this.server.logs())}`);
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw await this.#goneOr(`${method} ${path} got no answer (${String(error)})`);
    }
  }

  /** Sends the headers without a length and these bytes, and breaks the connection instead of ending the body. */
  async breakOff(method: string, path: string, headers: Record<string, string>, bytes: Uint8Array): Promise<void> {
    const client = await RawClient.open(this.server.port).catch((error: unknown) => ({ error }));
    if ('error' in client) throw await this.#goneOr(`no connection (${String(client.error)})`);
    client.request(method, path, { ...headers, 'Transfer-Encoding': 'chunked' });
    client.send(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]));
    await Bun.sleep(2);
    client.close();
  }

  /** The reason for a missing response: the death of the server, which may be known only a moment later, or a fault. */
  async #goneOr(what: string): Promise<Error> {
    if ((await within(DEATH_WITHIN_MS, this.server.process.exited)) !== undefined) return new Gone();
    return new Fault(`${what} by a server that lives`);
  }
}

/** Starts a server on a folder. @returns undefined if its crash point killed it before it was ready */
export async function begin(settings: Readonly<Record<string, string>>): Promise<Life | undefined> {
  try {
    return new Life(await startServer(settings));
  } catch (error) {
    if (settings.CRASH_POINT !== undefined && String(error).includes('before it was ready (SIGKILL)')) return undefined;
    throw error;
  }
}

export function tail(text: string, lines = 15): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
