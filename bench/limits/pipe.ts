// Bare Bun.serve that sends one object of a store in every response, on each processor: sockets to the store, as in Marina, but without
// looking anything up, checks, deadlines, resuming or logs. This is the limit for pulls of blobs of which a node has no copy.
// Usage: bun pipe.ts <host:port> <presigned URL of the object> <bytes>
import { availableParallelism } from 'node:os';
import { freeBytes } from '../../src/system/free-bytes.ts';

const [address, url, bytes] = process.argv.slice(2);
if (address === undefined || url === undefined || bytes === undefined) {
  throw new Error('usage: bun pipe.ts <host:port> <presigned URL of the object> <bytes>');
}
const [hostname = '', port] = address.split(':');
const { hostname: store, port: storePort, host, pathname, search } = new URL(url);
const HEAD = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

/** The body of the object. One chunk waits at most; the others stay in the kernel. */
function pipe(): ReadableStream<Uint8Array> {
  const waiting: Uint8Array[] = [];
  let wake: (() => void) | undefined;
  let isOpen = true;
  let inBody = false;
  let left = Number(bytes);
  let last: Uint8Array | undefined;
  const end = (): void => {
    isOpen = false;
    wake?.();
  };
  const opening = Bun.connect({
    hostname: store,
    port: Number(storePort),
    socket: {
      binaryType: 'uint8array',
      open: (socket) => void socket.write(HEAD),
      data: (socket, chunk: Uint8Array) => {
        // The store sends the head at once, so it is in the first chunk.
        const start = inBody ? 0 : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).indexOf('\r\n\r\n') + 4;
        inBody = true;
        if (start === chunk.length) return;
        waiting.push(start === 0 ? chunk : chunk.subarray(start));
        if (wake === undefined) socket.pause();
        wake?.();
      },
      close: end,
      error: end,
    },
  });
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        if (last !== undefined) freeBytes(last);
        const socket = await opening;
        if (waiting.length > 0) socket.resume();
        else if (isOpen) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          wake = undefined;
        }
        last = waiting.shift();
        if (last === undefined) throw new Error(`the store ended ${left} bytes too early`);
        left -= last.length;
        controller.enqueue(last);
        if (left > 0) return;
        controller.close();
        socket.end();
      },
      cancel: async () => void (await opening).end(),
    },
    { highWaterMark: 0 },
  );
}

if (Bun.isMainThread) {
  for (let n = 1; n < availableParallelism(); n += 1) new Worker(import.meta.path, { argv: process.argv.slice(2) });
}
Bun.serve({
  hostname,
  port: Number(port),
  reusePort: true,
  idleTimeout: 0,
  fetch: (request) => new Response(new URL(request.url).pathname === '/blob' ? pipe() : null),
});
