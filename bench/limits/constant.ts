// Bare Bun.serve with one constant response: the limit set by the runtime and its HTTP server.
// Usage: bun constant.ts <host:port> <bytes>
const [address, bytes] = process.argv.slice(2);
if (address === undefined || bytes === undefined) {
  throw new Error('usage: bun constant.ts <host:port> <bytes>');
}
const [hostname = '', port] = address.split(':');
const body = new Uint8Array(Number(bytes)).fill(0x61);
const headers = { 'content-type': 'application/octet-stream' };
const headHeaders = { ...headers, 'content-length': bytes };

Bun.serve({
  hostname,
  port: Number(port),
  fetch: (request) =>
    request.method === 'HEAD' ? new Response(null, { headers: headHeaders }) : new Response(body, { headers }),
});
