// Connections of which one knows the thread that serves them.
import { Agent, request } from 'node:http';
import { MANIFEST_TYPE } from './registry.ts';

const MAX_TRIES = 200;
const PROBES = 20;

/** One connection, kept open, which therefore always reaches the same thread. */
export class Connection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  /** @returns the status, after the whole body has arrived */
  async send(method: string, path: string, body?: Uint8Array, type = MANIFEST_TYPE): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const headers = body === undefined ? { accept: MANIFEST_TYPE } : { 'content-type': type };
    const sent = request(`http://${this.#address}${path}`, { method, agent: this.#agent, headers }, (response) => {
      response.on('error', reject);
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.resume();
    });
    sent.on('error', reject);
    sent.end(body);
    return await promise;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Requests that each thread has served. */
async function requestsOf(address: string): Promise<readonly number[]> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const counts = text.matchAll(/^marina_thread_requests_total\{thread="(\d+)"\} (\d+)/gm);
  const requests: number[] = [];
  for (const [, thread, count] of counts) requests[Number(thread)] = Number(count);
  return requests;
}

/** The thread that serves a connection. Nothing else may send requests meanwhile. @returns -1 if others did */
export async function threadOf(address: string, connection: Connection, path: string): Promise<number> {
  const before = await requestsOf(address);
  for (let probe = 0; probe < PROBES; probe++) await connection.send('GET', path);
  const after = await requestsOf(address);
  return after.findIndex((count, thread) => count - (before[thread] ?? 0) >= PROBES);
}

/** Connections that the thread serves. @param path of a small answer */
export function connectionsTo(address: string, thread: number, count: number, path: string): Promise<Connection[]> {
  return connectionsWhere((serving) => serving === thread, address, count, path);
}

/** As connectionsTo: connections that other threads than the main one serve. */
export function connectionsBesideOwner(address: string, count: number, path: string): Promise<Connection[]> {
  return connectionsWhere((serving) => serving > 0, address, count, path);
}

async function connectionsWhere(
  isWanted: (thread: number) => boolean,
  address: string,
  count: number,
  path: string,
): Promise<Connection[]> {
  const found: Connection[] = [];
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const connection = new Connection(address);
    if (isWanted(await threadOf(address, connection, path))) found.push(connection);
    else connection.close();
    if (found.length === count) return found;
  }
  throw new Error(`fewer than ${count} of ${MAX_TRIES} connections reached the wanted threads`);
}
