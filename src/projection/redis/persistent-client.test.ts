import { expect, test } from 'bun:test';
import { eventually } from '../../../test/support/eventually.ts';
import { openPersistentClient } from './persistent-client.ts';

test('a failover that is announced during a query of the Sentinels does not end the client; disconnect does', async () => {
  let asked = 0;
  const sentinel = Bun.listen({
    ...{ hostname: '127.0.0.1', port: 0 },
    // Accepts the query and never answers.
    socket: {
      data: () => {},
      open: () => {
        asked++;
      },
    },
  });
  const client = openPersistentClient({
    sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
    ...{ name: 'group', sentinelCommandTimeout: 100, sentinelRetryStrategy: () => 10, failoverDetector: true },
  });
  client.on('error', () => {});
  let ends = 0;
  client.on('end', () => ends++);
  await eventually(() => expect(asked).toBeGreaterThan(0));
  // What ioredis' detector of failovers does when it hears of one.
  (Reflect.get(client, 'connector') as { disconnect(): void }).disconnect();
  await eventually(() => expect(ends).toBe(1));
  const before = asked;
  await eventually(() => expect(asked).toBeGreaterThan(before));
  client.disconnect();
  await eventually(() => expect(ends).toBe(2));
  const after = asked;
  await Bun.sleep(300);
  expect([asked, client.status]).toEqual([after, 'end']);
  sentinel.stop(true);
});
