// Bare Bun.serve that writes each upload to a file and syncs it before it responds, without hashing or verification. This is the limit
// for large pushes. It implements only as much of the upload protocol as the bench's client needs.
// Usage: bun sink.ts <host:port> <folder>
import { mkdirSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

const [address, folder] = process.argv.slice(2);
if (address === undefined || folder === undefined) {
  throw new Error('usage: bun sink.ts <host:port> <folder>');
}
const [hostname = '', port] = address.split(':');
const files = join(folder, 'sink');
mkdirSync(files, { recursive: true });
let counter = 0;

/** Writes into the page cache on this thread, because a round trip through the thread pool for each chunk costs more than the write. */
async function receive(body: ReadableStream<Uint8Array>, file: number): Promise<void> {
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; ) {
      at += writeSync(file, chunk, at);
    }
  }
}

async function store(request: Request, path: string): Promise<Response> {
  const file = await open(path, 'a');
  try {
    if (request.body !== null) {
      await receive(request.body, file.fd);
    }
    if (request.method === 'PATCH') {
      return new Response(null, { status: 202, headers: { location: new URL(request.url).pathname } });
    }
    await file.sync();
  } finally {
    await file.close();
  }
  const parent = await open(files, 'r');
  await parent.sync();
  await parent.close();
  rmSync(path);
  return new Response(null, { status: 201 });
}

Bun.serve({
  hostname,
  port: Number(port),
  idleTimeout: 0,
  maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  fetch(request) {
    if (request.method === 'POST') {
      counter += 1;
      return new Response(null, { status: 202, headers: { location: `/${counter}` } });
    }
    if (request.method === 'PUT' || request.method === 'PATCH') {
      return store(request, join(files, new URL(request.url).pathname.slice(1)));
    }
    return new Response();
  },
});
