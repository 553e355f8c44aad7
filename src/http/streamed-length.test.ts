import { expect, test } from 'bun:test';
import { connect } from 'node:net';

const LENGTH = 3_000;

/** The response head as it is on the wire, because fetch hides some of its fields. */
function headOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write('GET / HTTP/1.1\r\nHost: site\r\n\r\n'));
    socket.on('error', reject);
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.destroy();
      resolve(text.slice(0, text.indexOf('\r\n\r\n')));
    });
  });
}

function streamed(): ReadableStream<Uint8Array> {
  let left = LENGTH;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      await Bun.sleep(1);
      left -= 1_000;
      controller.enqueue(new Uint8Array(1_000));
      if (left === 0) controller.close();
    },
  });
}

test('Bun drops the Content-Length of a stream (when this fails, reconsider decision 37)', async () => {
  const headers = { 'Content-Length': String(LENGTH) };
  await using server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: () => new Response(streamed(), { headers }),
  });
  const head = (await headOf(server.port ?? 0)).toLowerCase();
  expect(head).toContain('transfer-encoding: chunked');
  expect(head).not.toContain('content-length');
});
