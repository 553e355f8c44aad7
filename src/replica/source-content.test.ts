import { expect, test } from 'bun:test';
import { ANONYMOUS_CALLER } from '../access/access.ts';
import { digestOf } from '../oci/digest.ts';
import { parseRepositoryName } from '../oci/names.ts';
import type { SourceBytes } from './http-source.ts';
import { SourceContent, type SourceContentPorts } from './source-content.ts';

const REPO = parseRepositoryName('team/app') ?? expect.unreachable();
const BYTES = new TextEncoder().encode('0123456789');
const DIGEST = digestOf('sha256', BYTES);

/** A source that counts the streams that are open. */
function contentOf(headers: Readonly<Record<string, string>> = { 'content-length': String(BYTES.length) }) {
  const opened = { all: 0, now: 0 };
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (const byte of BYTES) yield new Uint8Array([byte]);
    } finally {
      opened.now--;
    }
  }
  const source: SourceContentPorts['source'] = {
    url: 'http://source.example',
    resolve: async () => new Headers(headers),
    pullManifest: async () => undefined,
    pullBlob: async (): Promise<SourceBytes> => {
      opened.all++;
      opened.now++;
      return { size: undefined, headers: new Headers(), chunks: chunks() };
    },
  };
  return { opened, content: new SourceContent({ source, isComplete: async () => true, now: Date.now }) };
}

test('the bytes of a blob are requested when they are read, and not before', async () => {
  const { opened, content } = contentOf();
  const blob = (await content.blob(REPO, DIGEST, ANONYMOUS_CALLER)) ?? expect.unreachable();
  expect(blob.size).toBe(BYTES.length);
  if (blob.content.kind !== 'stream') return expect.unreachable();
  const unread = blob.content.open({ start: 0, end: BYTES.length });
  await unread.cancel();
  expect(opened).toEqual({ all: 0, now: 0 });
  for (const [start, end] of [
    [0, 10],
    [2, 5],
    [9, 10],
  ] as const) {
    const text = await new Response(blob.content.open({ start, end })).text();
    expect(text).toBe('0123456789'.slice(start, end));
  }
  const left = blob.content.open({ start: 0, end: BYTES.length }).getReader();
  await left.read();
  await left.cancel();
  expect(opened).toEqual({ all: 4, now: 0 });
});

test('a blob of which the source sends other bytes breaks off before its end', async () => {
  const { content } = contentOf();
  const other = digestOf('sha256', new TextEncoder().encode('9876543210'));
  const blob = (await content.blob(REPO, other, ANONYMOUS_CALLER)) ?? expect.unreachable();
  if (blob.content.kind !== 'stream') return expect.unreachable();
  for (const start of [0, 5]) {
    const reader = blob.content.open({ start, end: BYTES.length }).getReader();
    let sent = 0;
    const read = async (): Promise<void> => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) sent += next.value.length;
    };
    await expect(read()).rejects.toThrow('the source sent other bytes');
    expect(sent).toBeLessThan(BYTES.length - start);
  }
});

test('a blob whose length the source does not say is not taken for a missing one', async () => {
  const { content } = contentOf({});
  await expect(content.blob(REPO, DIGEST, ANONYMOUS_CALLER)).rejects.toThrow('did not say how long');
  await expect(content.blobSize(REPO, DIGEST, ANONYMOUS_CALLER)).rejects.toThrow('did not say how long');
});
