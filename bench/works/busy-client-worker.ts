// The thread of a BusyClient.
import { vary, worstManifests } from '../../test/hostile/worst.ts';
import { type Connection, connectionsTo } from '../connection.ts';
import type { BusyAnswer, BusyRequest } from './busy-client.ts';

declare const self: {
  onmessage: ((event: { data: BusyRequest }) => Promise<void>) | null;
  postMessage(answer: BusyAnswer): void;
};

const WORST_TYPE = 'application/vnd.oci.image.index.v1+json';

let connection: Connection | undefined;

async function expectStatus(status: number, method: string, path: string, body?: Uint8Array): Promise<void> {
  const answered = await connection?.send(method, path, body, WORST_TYPE);
  if (answered !== status) throw new Error(`${method} ${path}: ${answered}`);
}

async function serve(request: BusyRequest): Promise<void> {
  switch (request.kind) {
    case 'connect':
      [connection] = await connectionsTo(request.address, request.thread, 1, request.path);
      return;
    case 'lists':
      for (const repository of request.repositories) await expectStatus(200, 'GET', `/v2/${repository}/tags/list?n=10`);
      return;
    case 'worst-manifests': {
      const bodies = worstManifests();
      for (let time = 0; time < request.times; time++) {
        for (const [n, [, body]] of bodies.entries()) {
          vary(body, (request.seed * request.times + time) * bodies.length + n);
          await expectStatus(201, 'PUT', '/v2/team/worst/manifests/worst', body);
        }
      }
    }
  }
}

self.onmessage = async ({ data }) => {
  try {
    await serve(data);
    self.postMessage({});
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
