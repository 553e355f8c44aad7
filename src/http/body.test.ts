import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { chunkLists } from '../../test/support/generators.ts';
import { anonymous } from '../access/access.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { readAll } from '../registry/upload-body.ts';
import { contentLength, manifestBody, uploadBody } from './body.ts';
import type { RequestContext } from './context.ts';

type Source = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
interface Sent {
  readonly context: RequestContext;
  readonly cancelled: () => boolean;
  readonly keptOpen: () => boolean;
}

/** A request with these headers, whose body comes as the source gives it. */
function sent(source: Source, headers: Readonly<Record<string, string>> = {}): Sent {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let cancelled = false;
  let kept = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel() {
      cancelled = true;
    },
  });
  const request = new Request('http://registry.example/', { method: 'PUT', body });
  for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
  const context: RequestContext = {
    request,
    id: 'id',
    actor: () => anonymous(undefined),
    origin: () => '',
    keepOpen: () => {
      kept = true;
    },
    sendFile: () => new Response(),
    seen: { digest: undefined, received: 0, sent: 0 },
  };
  return { context, cancelled: () => cancelled, keptOpen: () => kept };
}

async function* breaking(...chunks: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
  throw new Error('the connection broke');
}

async function* stalling(...chunks: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
  await new Promise(() => {});
}

async function kindOf(promise: Promise<unknown>): Promise<ErrorKind | 'none'> {
  const error: unknown = await promise.then(
    () => 'none',
    (reason: unknown) => reason,
  );
  if (error === 'none') return 'none';
  if (error instanceof RegistryError) return error.kind;
  throw error;
}

const PATIENT = { idle: 10_000, deadline: 10_000 };
const chunked = { 'transfer-encoding': 'chunked' };
const two = [new Uint8Array([1, 2]), new Uint8Array([3])];

describe('Content-Length', () => {
  const request = (headers: Record<string, string>): Request => new Request('http://registry.example/', { headers });

  test('is a number, 0 without any body, and unknown for a chunked one', () => {
    expect(contentLength(request({ 'content-length': '12' }))).toBe(12);
    expect(contentLength(request({}))).toBe(0);
    expect(contentLength(request(chunked))).toBeUndefined();
  });

  test.each(['-1', '1.5', '1e3', '0x10', 'x', '1, 1', '9'.repeat(16)])('of %j is refused', (text) => {
    expect(() => contentLength(request({ 'content-length': text }))).toThrow(RegistryError);
  });
});

describe('the body of an upload', () => {
  test('comes as it was sent, counted, whatever its pieces', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, fc.boolean(), async (chunks, announced) => {
        const whole = Buffer.concat(chunks);
        const { context, keptOpen } = sent(chunks, announced ? { 'content-length': String(whole.length) } : chunked);
        expect(Buffer.from(await readAll(uploadBody(context, undefined, 10_000)))).toEqual(whole);
        expect(context.seen.received).toBe(whole.length);
        expect(keptOpen()).toBe(!announced || whole.length > 0);
      }),
    );
  });

  test('has the length that Content-Range announces where there is no Content-Length', () => {
    expect(uploadBody(sent(two, chunked).context, 7, 10_000).length).toBe(7);
    expect(uploadBody(sent(two, { 'content-length': '3' }).context, 7, 10_000).length).toBe(3);
    expect(uploadBody(sent(two, chunked).context, undefined, 10_000).length).toBeUndefined();
  });

  test('that breaks off is broken after what came', async () => {
    const body = uploadBody(sent(breaking(...two), chunked).context, undefined, 10_000);
    const came: Uint8Array[] = [];
    for await (const chunk of body.chunks()) came.push(chunk);
    expect(came).toEqual(two);
    expect(body.broken?.kind).toBe('upload-interrupted');
  });

  test('that stalls is broken after the time without a byte', async () => {
    const { context, cancelled } = sent(stalling(...two), chunked);
    const body = uploadBody(context, undefined, 30);
    const came: Uint8Array[] = [];
    for await (const chunk of body.chunks()) came.push(chunk);
    expect(came).toEqual(two);
    expect([body.broken?.kind, cancelled()]).toEqual(['upload-stalled', true]);
  });

  test('that nobody reads to its end is cancelled', async () => {
    const { context, cancelled } = sent(stalling(...two), chunked);
    for await (const _ of uploadBody(context, undefined, 10_000).chunks()) break;
    expect(cancelled()).toBe(true);
  });
});

describe('the body of a manifest', () => {
  test('comes whole', async () => {
    const { context } = sent(two, { 'content-length': '3' });
    expect(await manifestBody(context, 3, PATIENT)).toEqual(new Uint8Array([1, 2, 3]));
  });

  test('is refused at its announced length, before a byte is read', async () => {
    const { context } = sent(two, { 'content-length': '4' });
    expect(await kindOf(manifestBody(context, 3, PATIENT))).toBe('manifest-too-large');
    expect(context.seen.received).toBe(0);
  });

  test('is refused once it is too long, without reading on', async () => {
    const { context, cancelled } = sent(stalling(...two, ...two), chunked);
    expect(await kindOf(manifestBody(context, 4, PATIENT))).toBe('manifest-too-large');
    expect(cancelled()).toBe(true);
  });

  test('is refused when its length was a lie, when it breaks off, and when it takes too long', async () => {
    expect(await kindOf(manifestBody(sent(two, { 'content-length': '4' }).context, 9, PATIENT))).toBe('size-mismatch');
    expect(await kindOf(manifestBody(sent(two, { 'content-length': '2' }).context, 9, PATIENT))).toBe('size-mismatch');
    expect(await kindOf(manifestBody(sent(breaking(...two), chunked).context, 9, PATIENT))).toBe('upload-interrupted');
    expect(await kindOf(manifestBody(sent(stalling(...two), chunked).context, 9, { idle: 30, deadline: 10_000 }))).toBe(
      'upload-stalled',
    );
  });

  test('that trickles is given up at the deadline for all of it', async () => {
    async function* trickle(): AsyncIterable<Uint8Array> {
      for (;;) {
        yield new Uint8Array([1]);
        await Bun.sleep(5);
      }
    }
    expect(
      await kindOf(manifestBody(sent(trickle(), chunked).context, 1_000_000, { idle: 10_000, deadline: 60 })),
    ).toBe('upload-stalled');
  });
});
