// Vulnerabilities of other registries, as tests against this one. Each is named by its advisory.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { decodeJwt, decodeProtectedHeader, exportJWK, importPKCS8, SignJWT } from 'jose';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { randomBlob } from '../support/oci.ts';
import { type Server, startServer } from '../support/server.ts';
import { BLOB, BLOB_DIGEST, digestOf, fill, MANIFEST, TAG } from './matrix-routes.ts';
import { type AccessFiles, basic, tokenFor, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

const OURS = 'ours/app';
const THEIRS = 'them/app';
const INDEX = 'application/vnd.oci.image.index.v1+json';

let files: AccessFiles;
let server: Server;
beforeAll(async () => {
  files = writeAccessFiles();
  server = await startServer(files.env);
  for (const repo of [OURS, THEIRS]) await fill({ url: server.url, repo, exists: true });
});

async function send(
  path: string,
  { url = server.url, ...init }: RequestInit & { authorization?: string; url?: string } = {},
): Promise<{ status: number; challenge: string | null; text: string }> {
  const { authorization, ...rest } = init;
  const headers = new Headers(rest.headers);
  if (authorization !== undefined) headers.set('authorization', authorization);
  const response = await fetch(`${url}${path}`, { redirect: 'manual', ...rest, headers });
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    text: await response.text(),
  };
}

function otherManifest(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], annotations: { text } }),
  );
}

describe('distribution CVE-2025-24976', () => {
  test('a key in the header of a token verifies nothing, even under the id of a trusted key', async () => {
    const genuine = await tokenFor(server, basic('admin'), `repository:${OURS}:pull,push,delete`);
    const pem = makeTokenKey();
    const jwk = await exportJWK(createPublicKey(pem));
    const { kid = '' } = decodeProtectedHeader(genuine);
    for (const header of [{ jwk }, { jwk: { ...jwk, kid } }, { jwk, kid }, { jwk: { ...jwk, kid }, kid }, { kid }]) {
      const forged = await new SignJWT(decodeJwt(genuine))
        .setProtectedHeader({ ...header, alg: 'ES256', typ: 'JWT' })
        .sign(await importPKCS8(pem, 'ES256'));
      const { status, challenge } = await send(`/v2/${OURS}/tags/list`, { authorization: `Bearer ${forged}` });
      expect([status, challenge]).toEqual([401, expect.stringContaining('error="invalid_token"')]);
    }
    expect((await send(`/v2/${OURS}/tags/list`, { authorization: `Bearer ${genuine}` })).status).toBe(200);
  });
});

describe('distribution CVE-2026-41888 (GHSA-6pjf-3r9x-m592)', () => {
  test('with deletes disabled tags cannot be deleted either, and callers without the right are denied first', async () => {
    const fixed = await startServer({ ...files.env, DELETE_ENABLED: 'false' });
    await fill({ url: fixed.url, repo: OURS, exists: true });
    for (const path of [`manifests/${TAG}`, `manifests/${digestOf(MANIFEST)}`, `blobs/${BLOB_DIGEST}`]) {
      const init = { method: 'DELETE', url: fixed.url };
      expect((await send(`/v2/${OURS}/${path}`, { ...init, authorization: basic('deleter') })).status).toBe(405);
      expect((await send(`/v2/${OURS}/${path}`, { ...init, authorization: basic('pusher') })).status).toBe(403);
      expect((await send(`/v2/${OURS}/${path}`, init)).status).toBe(401);
    }
    const tags = await send(`/v2/${OURS}/tags/list`, { url: fixed.url, authorization: basic('reader') });
    expect(JSON.parse(tags.text)).toEqual({ name: OURS, tags: [TAG] });
  });
});

describe('distribution CVE-2026-35172', () => {
  test('a blob that a repository deleted does not reappear when another one reads it', async () => {
    const cluster = await startCluster({ balancer: false, nodes: 1, workers: 0, env: files.env });
    for (const { url } of [server, ...cluster.nodes]) {
      const { bytes, descriptor } = randomBlob(100);
      const admin = { url, authorization: basic('admin') };
      for (const repo of ['ours/one', 'ours/two']) {
        const body = new Uint8Array(bytes);
        const pushed = await send(`/v2/${repo}/blobs/uploads/?digest=${descriptor.digest}`, {
          ...admin,
          method: 'POST',
          body,
        });
        expect(pushed.status).toBe(201);
      }
      const statusOf = async (repo: string) =>
        (await send(`/v2/${repo}/blobs/${descriptor.digest}`, { url, authorization: basic('reader') })).status;
      expect([await statusOf('ours/one'), await statusOf('ours/two')]).toEqual([200, 200]);
      const deleted = await send(`/v2/ours/one/blobs/${descriptor.digest}`, { ...admin, method: 'DELETE' });
      expect(deleted.status).toBe(202);
      for (let time = 0; time < 3; time++)
        expect([await statusOf('ours/one'), await statusOf('ours/two')]).toEqual([404, 200]);
    }
  });
});

describe('zot CVE-2024-39897', () => {
  test('blobs of a repository that the caller may not pull from cannot be mounted, with or without its name', async () => {
    const target = 'ours/thief';
    for (const query of [`mount=${BLOB_DIGEST}&from=${THEIRS}`, `mount=${BLOB_DIGEST}`]) {
      // Only `them` has this blob now. An unseen digest cannot be guessed, but digests are not secret.
      const { bytes, descriptor } = randomBlob(100);
      const body = new Uint8Array(bytes);
      const theirs = `/v2/${THEIRS}/blobs/uploads/?digest=${descriptor.digest}`;
      expect((await send(theirs, { method: 'POST', body, authorization: basic('admin') })).status).toBe(201);
      const mount = `/v2/${target}/blobs/uploads/?${query.replace(BLOB_DIGEST, descriptor.digest)}`;
      const token = await tokenFor(
        server,
        basic('pusher'),
        `repository:${target}:pull,push`,
        `repository:${THEIRS}:pull`,
      );
      for (const authorization of [basic('pusher'), `Bearer ${token}`]) {
        expect((await send(mount, { method: 'POST', authorization })).status).toBe(202);
        expect((await send(`/v2/${target}/blobs/${descriptor.digest}`, { authorization })).status).toBe(404);
      }
    }
  });
});

test('the readable part of a token does not reveal the ULID of the store, from which keys are derived', async () => {
  const [, store = 'no store'] = /"store":"(\w{26})"/.exec(server.logs()) ?? [];
  expect(store).toHaveLength(26);
  const asked = await fetch(`${server.url}/token?service=registry.example&offline_token=true`, {
    headers: { authorization: basic('reader') },
  });
  const tokens = (await asked.text()).match(/eyJ[\w-]+\.[\w-]+/g) ?? [];
  // The access token, in two fields, and the refresh token.
  expect(tokens).toHaveLength(3);
  for (const token of [...tokens, await tokenFor(server, undefined)]) {
    const decoded = token.split('.', 2).map((part) => Buffer.from(part, 'base64url').toString());
    expect(decoded.join()).not.toContain(store);
  }
});

describe('a token for one repository', () => {
  test('reads no blob of another one by a mount without a source, even if its holder may pull there', async () => {
    const { bytes, descriptor } = randomBlob(100);
    const body = new Uint8Array(bytes);
    const source = `/v2/ours/kept/blobs/uploads/?digest=${descriptor.digest}`;
    expect((await send(source, { method: 'POST', body, authorization: basic('pusher') })).status).toBe(201);
    const bearer = async (...scopes: string[]) => `Bearer ${await tokenFor(server, basic('pusher'), ...scopes)}`;
    const target = `repository:ours/narrow:pull,push`;
    const mount = `/v2/ours/narrow/blobs/uploads/?mount=${descriptor.digest}`;
    const narrow = await bearer(target);
    expect((await send(mount, { method: 'POST', authorization: narrow })).status).toBe(202);
    expect((await send(`/v2/ours/narrow/blobs/${descriptor.digest}`, { authorization: narrow })).status).toBe(404);
    const wide = await bearer(target, 'repository:ours/kept:pull');
    expect((await send(mount, { method: 'POST', authorization: wide })).status).toBe(201);
  });
});

describe('zot CVE-2025-23208 (GHSA-c9p4-xwr9-rfhx)', () => {
  test('a removed member of a group loses its rights, even with an earlier token', async () => {
    const rules = (members: string) =>
      `groups: { team: [${members}] }\nrules: [{ who: 'group:team', repositories: ['**'], actions: [pull, push] }]\n`;
    const own = writeAccessFiles(rules('pusher, reader'));
    const grouped = await startServer(own.env);
    const token = await tokenFor(grouped, basic('pusher'), `repository:${OURS}:pull,push`);
    const upload = async (authorization: string) =>
      (await send(`/v2/${OURS}/blobs/uploads/`, { method: 'POST', url: grouped.url, authorization })).status;
    expect([await upload(basic('pusher')), await upload(`Bearer ${token}`)]).toEqual([202, 202]);
    writeFileSync(own.rules, rules('reader'));
    // Each thread of the server reads the file by itself.
    await eventually(async () => {
      expect(await upload(basic('pusher'))).toBe(403);
      expect([await upload(`Bearer ${token}`), await upload(basic('reader'))]).toEqual([401, 202]);
      const renewed = await tokenFor(grouped, basic('pusher'), `repository:${OURS}:pull,push`);
      expect(await upload(`Bearer ${renewed}`)).toBe(401);
    }, 20_000);
  });
});

describe('zot CVE-2026-61833 (GHSA-qg67-7m6v-qg25)', () => {
  test('a token to pull and push deletes nothing, for any holder', async () => {
    for (const account of ['pusher', 'admin'] as const) {
      const token = await tokenFor(server, basic(account), `repository:${OURS}:pull,push`);
      for (const path of [`manifests/${TAG}`, `manifests/${digestOf(MANIFEST)}`, `blobs/${BLOB_DIGEST}`]) {
        const { status, challenge } = await send(`/v2/${OURS}/${path}`, {
          method: 'DELETE',
          authorization: `Bearer ${token}`,
        });
        expect(status).toBe(401);
        expect(challenge).toContain(`scope="repository:${OURS}:delete",error="insufficient_scope"`);
      }
    }
    expect((await send(`/v2/${OURS}/manifests/${TAG}`, { authorization: basic('reader') })).status).toBe(200);
  });
});

describe('zot CVE-2026-31801 (GHSA-85jx-fm8m-x8c6)', () => {
  test('a caller who may only create overwrites no tag, not even latest', async () => {
    const put = (reference: string, manifest: Uint8Array<ArrayBuffer>, authorization: string) =>
      send(`/v2/${OURS}/manifests/${reference}`, {
        method: 'PUT',
        authorization,
        headers: { 'content-type': INDEX },
        body: manifest,
      });
    const first = otherManifest('first');
    const second = otherManifest('second');
    const token = await tokenFor(server, basic('creator'), `repository:${OURS}:pull,push`);
    for (const authorization of [basic('creator'), `Bearer ${token}`]) {
      for (const tag of ['latest', 'v9']) {
        expect((await put(tag, first, authorization)).status).toBe(201);
        const moved = await put(tag, second, authorization);
        expect([moved.status, moved.challenge]).toEqual([403, null]);
        const byDigest = await put(`${digestOf(second)}?tag=${tag}`, second, authorization);
        expect(byDigest.status).toBe(403);
        const now = await send(`/v2/${OURS}/manifests/${tag}`, { authorization });
        expect(now.text).toBe(new TextDecoder().decode(first));
      }
    }
  });
});

describe('Gitea CVE-2026-27771', () => {
  test('a private image cannot be pulled without credentials, by any address and with any anonymous token', async () => {
    const anonymous = await tokenFor(server, undefined, `repository:${THEIRS}:pull`, `repository:${OURS}:pull`);
    const reads = [
      `manifests/${TAG}`,
      `manifests/${digestOf(MANIFEST)}`,
      `blobs/${BLOB_DIGEST}`,
      'tags/list',
      `referrers/${digestOf(MANIFEST)}`,
    ];
    for (const repo of [OURS, THEIRS]) {
      for (const path of reads) {
        for (const method of ['GET', 'HEAD']) {
          for (const headers of [{}, { authorization: `Bearer ${anonymous}` }]) {
            const { status, text } = await send(`/v2/${repo}/${path}`, { method, headers });
            expect([path, status]).toEqual([path, 401]);
            expect(text).not.toContain(new TextDecoder().decode(BLOB));
          }
        }
      }
    }
  });
});

describe('Harbor CVE-2026-4404', () => {
  test('there are no default accounts', async () => {
    for (const user of ['admin', 'root', 'marina', 'docker', 'harbor', 'test', '']) {
      for (const password of ['Harbor12345', 'admin', 'password', 'changeme', 'marina', '']) {
        const headers = { 'x-forwarded-for': `192.0.2.${user.length * 16 + password.length}` };
        const { status } = await send('/v2/', { authorization: basic(user, password), headers });
        expect([user, password, status]).toEqual([user, password, 401]);
      }
    }
  });
});
