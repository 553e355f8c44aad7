// Tokens of other issuers in a cluster: every node accepts them, and a push uses one token on all nodes.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { issuerKey, startIssuer } from '../support/oidc-issuer.ts';
import { temporaryFolder } from '../support/server.ts';
import { startTokenServer, TOKEN_SERVER_ISSUER } from '../support/token-server.ts';

setDefaultTimeout(TOOLS_WITHIN_MS);
afterAll(stopClusters);

const folder = temporaryFolder('foreign-cluster');

test('every node accepts tokens of a token server and of an issuer, without a token key of its own', async () => {
  const key = await issuerKey('ES256');
  const issuer = await startIssuer();
  const tokenServer = startTokenServer({
    key,
    passwords: { ann: 'pw' },
    rights: (user, type, name) => (type === 'repository' && name.startsWith(`${user}/`) ? ['pull', 'push'] : []),
  });
  try {
    const [AUTH_TOKEN_JWKS_FILE, ACCESS_FILE] = [join(folder, 'jwks.json'), join(folder, 'access.yaml')];
    writeFileSync(AUTH_TOKEN_JWKS_FILE, JSON.stringify({ keys: [key.jwk] }));
    const rule = "{who: 'oidc:ci:*', repositories: ['ann/*'], actions: [pull]}";
    const issuers = `[{name: ci, issuer: '${issuer.url}', audience: registry.example}]`;
    writeFileSync(ACCESS_FILE, `rules: [${rule}]\nissuers: ${issuers}\n`);
    const cluster = await startCluster({
      workers: 0,
      env: {
        AUTH_TOKEN_REALM: tokenServer.realm,
        AUTH_TOKEN_SERVICE: 'registry',
        AUTH_TOKEN_ISSUER: TOKEN_SERVER_ISSUER,
        AUTH_TOKEN_JWKS_FILE,
        ACCESS_FILE,
      },
    });
    const [crane] = await tools('crane');
    const image = await runnableImage();
    writeLayout(join(folder, 'image'), image, image.blobs, 'v1');
    const env = { DOCKER_CONFIG: join(folder, 'crane') };
    // On the host of the realm, as crane requires.
    const host = cluster.host.replace('127.0.0.1', 'localhost');
    await run([crane, 'auth', 'login', host, '--username=ann', '--password=pw'], { env });
    await run([crane, '--insecure', 'push', join(folder, 'image'), `${host}/ann/app:v1`], { env });
    await run([crane, '--insecure', 'pull', '--format=oci', `${host}/ann/app:v1`, join(folder, 'pulled')], { env });
    expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(join(folder, 'image')));

    const headers = { authorization: `Bearer ${await issuer.token({ sub: 'job' })}` };
    for (const { url } of cluster.nodes) {
      expect((await fetch(`${url}/v2/ann/app/tags/list`, { headers })).status).toBe(200);
      expect((await fetch(`${url}/v2/ann/app/blobs/uploads/`, { method: 'POST', headers })).status).toBe(403);
      expect((await fetch(`${url}/token`)).status).toBe(404);
    }
    await eventually(() => {
      for (const node of cluster.nodes) expect(node.logs()).toContain('"actor":"token:ann"');
    });
  } finally {
    await tokenServer.stop();
    await issuer.stop();
  }
});
