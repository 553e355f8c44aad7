import { Redis, type RedisOptions } from 'ioredis';

const RECONNECT_MS = 50;

/** `legacy` maps replies as protocol 2 does, which the scripts and BullMQ expect. */
type ClientOptions = RedisOptions & { replyMapping?: 'legacy' };

/**
 * A client that ends only when it is closed. ioredis stops reconnecting if a failover is announced while it is already querying
 * the Sentinels because the old master dropped the connection, which is common in failovers.
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
  // BullMQ opens its second connection with `duplicate`.
  client.duplicate = ((changes?: ClientOptions) =>
    openPersistentClient({ ...(client.options as ClientOptions), ...changes })) as typeof client.duplicate;
  client.on('end', () => {
    setTimeout(() => {
      if (!isClosed && client.status === 'end') client.connect().catch(ignoreEmitted);
    }, RECONNECT_MS);
  });
  return client;
}

/** ioredis also emits a failure to connect as `error`, which the owner of the client reports, and `end` if it stops again. */
function ignoreEmitted(): void {}
