// How many requests a server is handling, as /metrics shows.
import { expect } from 'bun:test';
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { eventually } from './eventually.ts';

/** Longer than a thread counts requests that have ended. */
const SETTLED_MS = 50;

/** Requests in progress, apart from those for metrics. @param init such as credentials, which must have the right to read the metrics */
export async function inFlightAt(url: string, init: BunFetchRequestInit = {}): Promise<number> {
  const response = await fetch(`${url}/metrics`, { keepalive: false, ...init });
  const metrics = await response.text();
  const [, count] = /^marina_requests_in_flight (\d+)$/m.exec(metrics) ?? [];
  if (count === undefined) throw new Error(`the metrics have no requests in flight (${response.status}): ${metrics}`);
  return Number(count);
}

/** Waits until the server is handling exactly this many requests. One that has ended may count for a moment, so it asks twice. */
export async function untilInFlight(count: number, inFlight: () => Promise<number>): Promise<void> {
  await eventually(async () => {
    for (let time = 0; time < 2; time++) {
      expect(await inFlight()).toBe(count);
      await Bun.sleep(SETTLED_MS);
    }
  });
}

/**
 * Sends the beginnings of requests, each over a connection of its own, and waits until the server is handling this many with them. A
 * server that still counts requests that have ended may refuse one: it is sent again then.
 * @returns the connections, which the caller destroys
 */
export async function holdRequests(
  to: TcpNetConnectOpts,
  texts: readonly string[],
  count: number,
  inFlight: () => Promise<number>,
): Promise<readonly Socket[]> {
  const send = (text: string): Socket => {
    const socket = connect(to);
    socket.on('error', () => {});
    // An answer is a refusal.
    socket.on('data', () => socket.destroy());
    socket.write(text);
    return socket;
  };
  let held = texts.map((text) => ({ text, socket: send(text) }));
  await untilInFlight(count, async () => {
    held = held.map((each) => (each.socket.destroyed ? { text: each.text, socket: send(each.text) } : each));
    return await inFlight();
  });
  return held.map(({ socket }) => socket);
}
