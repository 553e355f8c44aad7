import { Redis, type RedisOptions } from 'ioredis';

const AGAIN_MS = 50;

/** Replies are read as those of protocol 2, which the scripts and BullMQ are made for. */
type ClientOptions = RedisOptions & { replyMapping?: 'legacy' };

/**
 * A client that ends only when it is told to. ioredis gives up for ever when the news of a failover reaches it while it asks the
 * Sentinels already, because the old master broke its connection first: many failovers are like that.
 */
export function openPersistentClient(options: ClientOptions): Redis {
  const client = new Redis(options);
  const disconnect = client.disconnect.bind(client);
  const quit = client.quit.bind(client);
  let isClosed = false;
  client.disconnect = (reconnect = false) => {
    if (!reconnect) isClosed = true;
    disconnect(reconnect);
  };
  client.quit = ((callback) => {
    isClosed = true;
    return quit(callback);
  }) as typeof client.quit;
  // BullMQ makes a second connection so.
  client.duplicate = ((changes?: ClientOptions) =>
    openPersistentClient({ ...(client.options as ClientOptions), ...changes })) as typeof client.duplicate;
  client.on('end', () => {
    setTimeout(() => {
      // What goes wrong is an `error` event too, and another `end` where ioredis gives up again.
      if (!isClosed && client.status === 'end') client.connect().catch(() => undefined);
    }, AGAIN_MS);
  });
  return client;
}
