// A client of GET /api/v1/changes.
import { expect } from 'bun:test';

/** A change as JSON has it. */
export interface Change {
  readonly id: string;
  readonly repository: string;
  readonly seq: number;
  readonly index: number;
  readonly time: string;
  readonly type: string;
  readonly tag?: string;
}

export interface Page {
  readonly changes: readonly Change[];
  readonly cursor: string;
  readonly more: boolean;
}

type Query = Readonly<Record<string, string | number>>;
type Headers = Readonly<Record<string, string>>;

export function addressOf(url: string, query: Query): string {
  return `${url}/api/v1/changes?${new URLSearchParams(Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]))}`;
}

/** One page, over a connection of its own: any thread of the server may answer. */
export async function pageOf(url: string, query: Query, headers: Headers = {}): Promise<Page> {
  const signal = AbortSignal.timeout(120_000);
  const response = await fetch(addressOf(url, query), { headers, keepalive: false, signal });
  const text = await response.text();
  expect([response.status, response.status === 200 ? '' : text]).toEqual([200, '']);
  return JSON.parse(text) as Page;
}

/** One page over a plain socket: fetch opens at most 256 connections at a time. */
export async function pageOverSocket(port: number, query: Query): Promise<Page> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  await Bun.connect({
    ...{ hostname: '127.0.0.1', port },
    socket: {
      open: (socket) => {
        const { pathname, search } = new URL(addressOf('http://registry', query));
        socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n`);
      },
      data: (_, chunk) => {
        text += new TextDecoder().decode(chunk);
      },
      close: () => resolve(text),
      error: (_, error) => reject(error),
    },
  });
  const [head = '', body = ''] = (await promise).split('\r\n\r\n');
  expect(head).toStartWith('HTTP/1.1 200');
  return JSON.parse(body) as Page;
}

/** The status and code of a refusal. */
export async function refusalOf(url: string, query: Query, headers: Headers = {}): Promise<readonly [number, string]> {
  const response = await fetch(addressOf(url, query), { headers, signal: AbortSignal.timeout(60_000) });
  const body = (await response.json()) as { readonly errors?: readonly { readonly code: string }[] };
  return [response.status, body.errors?.[0]?.code ?? ''];
}

/** Everything after a cursor, up to now. */
export async function readAll(
  url: string,
  since: string,
  query: Query = {},
  headers: Headers = {},
): Promise<{ readonly changes: readonly Change[]; readonly cursor: string; readonly cursors: readonly string[] }> {
  const changes: Change[] = [];
  const cursors: string[] = [];
  for (let cursor = since; ; ) {
    const page = await pageOf(url, { limit: 500, ...query, since: cursor }, headers);
    changes.push(...page.changes);
    ({ cursor } = page);
    cursors.push(cursor);
    if (!page.more) return { changes, cursor, cursors };
  }
}

/** Reads on, with waits, until the changes are all there. @returns them */
export async function readUntil(
  url: string,
  since: string,
  isComplete: (changes: readonly Change[]) => boolean,
  query: Query = {},
  headers: Headers = {},
): Promise<{ readonly changes: readonly Change[]; readonly cursor: string }> {
  const changes: Change[] = [];
  const deadline = Date.now() + 60_000;
  for (let cursor = since; ; ) {
    const page = await pageOf(url, { limit: 500, wait: '5s', ...query, since: cursor }, headers);
    changes.push(...page.changes);
    ({ cursor } = page);
    if (isComplete(changes)) return { changes, cursor };
    if (Date.now() > deadline) throw new Error(`not all changes came: ${JSON.stringify(changes.map(({ id }) => id))}`);
  }
}

/** Each repository's changes in their order, each once. */
export function expectOrdered(changes: readonly Change[]): void {
  const last = new Map<string, readonly [seq: number, index: number]>();
  for (const { repository, seq, index, id } of changes) {
    expect(id).toBe(`${repository}@${seq}.${index}`);
    const [before, beforeIndex] = last.get(repository) ?? [0, -1];
    expect(seq > before || (seq === before && index > beforeIndex)).toBe(true);
    last.set(repository, [seq, index]);
  }
}

export interface StreamEvent {
  readonly id: string;
  readonly change: Change;
}

/** A stream of events that is read in the background. */
export class EventStream {
  readonly events: StreamEvent[] = [];
  readonly comments: string[] = [];
  /** As clients of event streams keep it: a block without data sets it, too. */
  lastId: string | undefined;
  readonly response: Promise<Response>;
  readonly ended: Promise<void>;
  readonly #abort = new AbortController();

  constructor(url: string, query: Query, headers: Headers = {}) {
    this.response = fetch(addressOf(url, query), {
      ...{ keepalive: false, signal: this.#abort.signal },
      headers: { accept: 'text/event-stream', ...headers },
    });
    this.ended = this.#read();
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(): Promise<void> {
    try {
      const { body } = await this.response;
      if (body === null) return;
      let text = '';
      const decoder = new TextDecoder();
      for await (const chunk of body) {
        text += decoder.decode(chunk, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) this.#take(block.split('\n'));
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }

  #take(lines: readonly string[]): void {
    const field = (name: string): string | undefined =>
      lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const comment = lines.find((line) => line.startsWith(':'));
    if (comment !== undefined) this.comments.push(comment);
    const [id, data] = [field('id'), field('data')];
    this.lastId = id ?? this.lastId;
    if (id !== undefined && data !== undefined) this.events.push({ id, change: JSON.parse(data) as Change });
  }
}
