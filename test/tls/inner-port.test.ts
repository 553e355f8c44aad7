// Other processes of this machine can connect to the HTTP server behind TLS, even from the port of a connection that has just ended.
import { afterAll, expect, test } from 'bun:test';
import { ConnectionTable } from '../../src/tls/connection-table.ts';
import { InnerConnection } from '../../src/tls/inner-connection.ts';
import { tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { raise } from '../support/raise.ts';

const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops) stop();
});

/** curl could not get the local port. */
const NO_PORT = 45;

/** @returns what a server knew of the clients: of the connection, and then of a process that has got its port; undefined if it cannot */
async function clientsAtOnePort(curl: string): Promise<readonly (string | undefined)[] | undefined> {
  const table = new ConnectionTable();
  const accepted: Bun.Socket<undefined>[] = [];
  const clients: (string | undefined)[] = [];
  const server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open: (socket) => void accepted.push(socket),
      data: (socket) => {
        clients.push(table.of({ address: socket.remoteAddress, port: socket.remotePort })?.address);
      },
    },
  });
  stops.push(() => server.stop(true));
  const opened = Promise.withResolvers<void>();
  const inner = new InnerConnection(server.port, {
    opened: opened.resolve,
    received: () => true,
    drained: () => {},
    answered: () => {},
    failed: raise,
    closed: () => {},
  });
  await opened.promise;
  table.add(inner, { address: '192.0.2.1', certificate: undefined, sendInstead: () => undefined });
  inner.write(Buffer.from('GET /v2/'));
  await eventually(() => expect(clients).toHaveLength(1));

  // What the HTTP server does with a malformed request.
  accepted[0]?.terminate();
  // While this waits, no event of this process is handled.
  const { exitCode } = Bun.spawnSync([
    ...[curl, '--max-time', '3', '--local-port', String(inner.port), `http://127.0.0.1:${server.port}/`],
  ]);
  if (exitCode === NO_PORT) return undefined;
  await eventually(() => expect(clients).toHaveLength(2));
  expect(table.size).toBe(1);
  return clients;
}

test('another process that gets the port of a connection that was reset is not known as its client', async () => {
  const [curl] = await tools('curl');
  let clients = await clientsAtOnePort(curl);
  // Linux lets connections to other servers share a port, also for a minute after their end. curl cannot get such a port.
  for (let more = 0; clients === undefined && more < 1_000; more++) clients = await clientsAtOnePort(curl);
  expect(clients).toEqual(['192.0.2.1', undefined]);
});
