import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { issuerKey, type OidcIssuer, startIssuer } from '../../../test/support/oidc-issuer.ts';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { type Issuer, isIssuerAddress, type JwksSource } from '../rules/issuer.ts';
import { MAX_JSON_BYTES } from './fetch-json.ts';
import { loadKeys } from './load-keys.ts';

const CONFIGURATION = '/.well-known/openid-configuration';
const folder = temporaryFolder('keys');
let issuer: OidcIssuer;

beforeAll(async () => {
  issuer = await startIssuer();
});
beforeEach(() => {
  issuer.answer = () => undefined;
});
afterAll(async () => {
  await issuer.stop();
  await cleanUp();
});

function load(jwks: JwksSource, url = issuer.url, deadline = 5_000): Promise<unknown> {
  const entry: Issuer = { name: 'ci', issuer: url, audience: 'registry.example', jwks };
  return loadKeys(entry, AbortSignal.timeout(deadline));
}

const discover = { kind: 'discover' } as const;

/** Instead of the discovery document. */
function serve(document: unknown): void {
  issuer.answer = (path) => (path === CONFIGURATION ? Response.json(document) : undefined);
}

describe('keys are found', () => {
  test('by discovery, at a URL, and in a file', async () => {
    expect(await load(discover)).toBeFunction();
    expect(await load({ kind: 'url', url: `${issuer.url}/keys` })).toBeFunction();
    const path = join(folder, 'keys.json');
    writeFileSync(path, JSON.stringify({ keys: [(await issuerKey('ES256')).jwk] }));
    expect(await load({ kind: 'file', path })).toBeFunction();
  });

  test('by discovery for an issuer whose URL ends in a slash', async () => {
    serve({ issuer: `${issuer.url}/`, jwks_uri: `${issuer.url}/keys` });
    expect(await load(discover, `${issuer.url}/`)).toBeFunction();
  });
});

test('a remote issuer cannot make this machine send requests to its own services', () => {
  for (const inside of ['http://127.0.0.1:6379/', 'http://localhost/keys', 'http://[::1]/keys']) {
    expect([isIssuerAddress(inside, 'https://idp.example'), isIssuerAddress(inside, 'http://127.0.0.1:8080')]).toEqual([
      false,
      true,
    ]);
  }
  expect(isIssuerAddress('https://keys.example/jwks', 'https://idp.example')).toBe(true);
});

describe('loading keys fails', () => {
  test.each([
    ['of another issuer', () => ({ issuer: 'http://127.0.0.1:1', jwks_uri: `${issuer.url}/keys` }), 'another issuer'],
    ['of the same URL with a slash', () => ({ issuer: `${issuer.url}/`, jwks_uri: issuer.url }), 'another issuer'],
    ['over plain http', () => ({ issuer: issuer.url, jwks_uri: 'http://192.0.2.1/keys' }), 'not an https URL'],
    ['in a file', () => ({ issuer: issuer.url, jwks_uri: 'file:///etc/passwd' }), 'not an https URL'],
    ['nowhere', () => ({ issuer: issuer.url }), 'no jwks_uri'],
    ['for a value that is not an object', () => [], 'has no issuer'],
  ])('that a discovery document has %s', async (_, document, reason) => {
    serve(document());
    await expect(load(discover)).rejects.toThrow(reason);
  });

  test.each([
    ['an error', () => new Response('no', { status: 500 }), 'status 500'],
    ['a redirect', () => Response.redirect(`${issuer.url}/keys`), 'status 302'],
    ['invalid JSON', () => new Response('<html>'), 'not JSON'],
    ['bytes that are not UTF-8', () => new Response(new Uint8Array([0x22, 0xff, 0x22])), 'not JSON'],
    ['more than a MiB', () => new Response(' '.repeat(MAX_JSON_BYTES + 1)), 'more than 1048576 bytes'],
    ['no key set', () => Response.json({ keys: 1 }), 'not a JSON Web Key Set'],
    ['no keys', () => Response.json({ keys: [] }), 'no key that can sign'],
  ])('at an address that answers with %s', async (_, answer, reason) => {
    issuer.answer = answer;
    await expect(load({ kind: 'url', url: `${issuer.url}/other` })).rejects.toThrow(reason);
  });

  test('for a compressed response, which could be small and expand to gigabytes', async () => {
    const packed = Bun.gzipSync(Buffer.from(JSON.stringify({ keys: [(await issuerKey('ES256')).jwk] })));
    issuer.answer = () => new Response(packed, { headers: { 'content-encoding': 'gzip' } });
    await expect(load({ kind: 'url', url: issuer.url })).rejects.toThrow('is not JSON');
  });

  test('if nothing listens at the address', async () => {
    await expect(load({ kind: 'url', url: 'http://127.0.0.1:1/keys' })).rejects.toThrow('cannot be read');
  });

  test('at the deadline for all requests together', async () => {
    issuer.answer = async (path) => {
      await Bun.sleep(5_000);
      return path === CONFIGURATION ? undefined : new Response('{}');
    };
    const began = performance.now();
    expect(await load(discover, issuer.url, 100).catch(String)).toContain('cannot be read');
    expect(performance.now() - began).toBeLessThan(4_900);
  });

  test('if a body never ends', async () => {
    issuer.answer = () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue(new TextEncoder().encode(' '));
            await Bun.sleep(20);
          },
        }),
      );
    await expect(load({ kind: 'url', url: issuer.url }, issuer.url, 200)).rejects.toThrow('cannot be read');
  });

  test('if the file is missing, is not a regular file, or has no keys', async () => {
    await expect(load({ kind: 'file', path: join(folder, 'nothing') })).rejects.toThrow('there is no such file');
    await expect(load({ kind: 'file', path: folder })).rejects.toThrow('not a regular file');
    const path = join(folder, 'wrong.json');
    writeFileSync(path, 'keys: []');
    await expect(load({ kind: 'file', path })).rejects.toThrow('is not JSON');
  });
});
