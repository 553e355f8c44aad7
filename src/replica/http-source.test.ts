import { afterAll, beforeEach, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cleanUp, temporaryFolder } from '../../test/support/server.ts';
import { ANONYMOUS_CALLER } from '../access/access.ts';
import { digestOf } from '../oci/digest.ts';
import { parseIncarnation, parseRepositoryName, parseTag } from '../oci/names.ts';
import { HttpSource } from './http-source.ts';
import { SourceContent } from './source-content.ts';
import { SourceRefused, SourceSilent } from './source-errors.ts';

const SECRET = new TextEncoder().encode('a secret of this machine');
const file = join(temporaryFolder('replica-redirect'), 'secret');
writeFileSync(file, SECRET);
const secretUrl = pathToFileURL(file).href;
const digest = digestOf('sha256', SECRET);
const repo = parseRepositoryName('team/app') ?? expect.unreachable();
const tag = parseTag('v1') ?? expect.unreachable();
const inc = parseIncarnation('01K9ZZZZZZZZZZZZZZZZZZZZZZ') ?? expect.unreachable();

/** What the source answers, except to a request for /store. */
let answer: () => Response;
let authorizations: (string | null)[] = [];
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch: (request) => {
    authorizations.push(request.headers.get('authorization'));
    return new URL(request.url).pathname === '/store' ? new Response(SECRET) : answer();
  },
});
const url = `http://127.0.0.1:${server.port}`;
const source = new HttpSource({ url, authorization: 'Basic eDp5', ca: undefined });
const content = new SourceContent({ source, isComplete: async () => true, now: Date.now });

afterAll(async () => {
  await server.stop(true);
  await cleanUp();
});

beforeEach(() => {
  authorizations = [];
});

function redirectTo(location: string): () => Response {
  return () => new Response(null, { status: 307, headers: { location, 'docker-content-digest': digest } });
}

test.each([secretUrl, 's3://bucket/secret', 'data:text/plain,x', 'blob:x', 'http://['])(
  'a redirect to %s is refused',
  async (location) => {
    answer = redirectTo(location);
    for (const opening of [source.open(inc), source.pullBlob(repo, digest)]) {
      const opened = opening.then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(await opened).toBeInstanceOf(SourceRefused);
    }
    expect(await content.blob(repo, digest, ANONYMOUS_CALLER)).toBeUndefined();
  },
);

test('a redirect to the store of the source is followed for blobs, without credentials', async () => {
  answer = redirectTo(`${url}/store`);
  const opened = (await source.pullBlob(repo, digest)) ?? expect.unreachable();
  expect(Buffer.concat(await Array.fromAsync(opened.chunks))).toEqual(Buffer.from(SECRET));
  expect(authorizations).toEqual(['Basic eDp5', null]);
});

test.each([secretUrl, '/store'])('a redirect of a manifest to %s is not followed', async (location) => {
  answer = redirectTo(location);
  for (const reference of [{ kind: 'tag', tag } as const, { kind: 'digest', digest } as const])
    expect(await content.manifest(repo, reference, ANONYMOUS_CALLER)).toBeUndefined();
  expect(authorizations).toEqual(['Basic eDp5', 'Basic eDp5']);
});

test('a manifest of a tag is served if it has the digest that the source says', async () => {
  const respond = (headers: Readonly<Record<string, string>>) => () => new Response(SECRET, { headers });
  const read = () => content.manifest(repo, { kind: 'tag', tag }, ANONYMOUS_CALLER);
  answer = respond({ 'docker-content-digest': digest });
  expect((await read())?.descriptor.digest).toBe(digest);
  answer = respond({ 'docker-content-digest': digestOf('sha256', new Uint8Array()) });
  await expect(read()).rejects.toThrow('other bytes');
  for (const headers of [{}, { 'docker-content-digest': 'none' }]) {
    answer = respond(headers);
    await expect(read()).rejects.toThrow('without its digest');
  }
});

test('a source that is down is reported with the code of the system, without advice for programmers', async () => {
  const gone = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
  const address = `http://127.0.0.1:${gone.port}`;
  await gone.stop(true);
  const down = new HttpSource({ url: address, authorization: undefined, ca: undefined });
  await expect(down.pullBlob(repo, digest)).rejects.toThrow(
    new SourceSilent(`${address} does not answer: ECONNREFUSED`),
  );
});

test('an answer that never ends is refused, and not read on', async () => {
  const megabyte = new Uint8Array(1024 * 1024);
  let sent = 0;
  answer = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => {
          // If it is read on, it ends, so that this test does.
          if (sent++ < 500) controller.enqueue(megabyte);
          else controller.close();
        },
      }),
    );
  await expect(source.identity()).rejects.toThrow('is too long');
  expect(sent).toBeLessThan(250);
});
