// Tokens in a cluster: every node accepts the tokens of the others, and an invalid token is invalid on all.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { marinaCommand } from '../cli/marina.ts';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { secret } from '../support/secrets.ts';
import { temporaryFolder } from '../support/server.ts';

setDefaultTimeout(TOOLS_WITHIN_MS);
afterAll(stopClusters);

/** "within 10 s on every node", plus a margin for a busy machine. */
const ENDED_WITHIN_MS = 20_000;
const PASSWORD = secret('correct horse battery staple');
const folder = temporaryFolder('token-cluster');
const accounts = join(folder, 'htpasswd');

async function setPassword(verb: 'add' | 'passwd', password: string): Promise<void> {
  const command = [...marinaCommand, 'user', verb, 'deployer', '--password-stdin'];
  await run(command, { env: { HTPASSWD_FILE: accounts }, input: password });
}

test('a client pushes and pulls through all nodes with tokens of any node, until the password changes', async () => {
  await setPassword('add', PASSWORD);
  const key = join(folder, 'token-key.pem');
  writeFileSync(key, makeTokenKey());
  const cluster = await startCluster({ workers: 0, env: { HTPASSWD_FILE: accounts, TOKEN_KEY_FILE: key } });
  const urls = cluster.nodes.map(({ url }) => url);
  const form = new URLSearchParams({
    ...{ grant_type: 'password', username: 'deployer', password: PASSWORD, access_type: 'offline' },
    scope: 'repository:team/app:pull,push',
  });
  const issued = await fetch(`${urls[0]}/token`, { method: 'POST', body: form });
  expect(issued.status).toBe(200);
  const { token, refresh_token: refreshToken } = (await issued.json()) as Record<string, string>;
  const statuses = (): Promise<readonly number[]> =>
    Promise.all(
      urls.flatMap((url) => [
        fetch(`${url}/v2/`, { headers: { authorization: `Bearer ${token}` } }).then(({ status }) => status),
        fetch(`${url}/token`, {
          method: 'POST',
          body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken ?? '' }),
        }).then(({ status }) => status),
      ]),
    );
  expect(await statuses()).toEqual([200, 200, 200, 200]);

  const [crane] = await tools('crane');
  const image = await runnableImage();
  writeLayout(join(folder, 'image'), image, image.blobs, 'v1');
  const env = { DOCKER_CONFIG: join(folder, 'crane') };
  const command = (...rest: string[]): Promise<string> => run([crane, ...rest], { env });
  await command('auth', 'login', cluster.host, '--username=deployer', `--password=${PASSWORD}`);
  await command('push', join(folder, 'image'), `${cluster.host}/team/app:v1`);
  await command('copy', `${cluster.host}/team/app:v1`, `${cluster.host}/team/copied:v1`);
  await command('pull', '--format=oci', `${cluster.host}/team/copied:v1`, join(folder, 'pulled'));
  expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(join(folder, 'image')));
  // Requests for tokens went to both nodes.
  await eventually(() => {
    for (const node of cluster.nodes) expect(node.logs()).toContain('"route":"token-get"');
  });

  await setPassword('passwd', 'another password');
  await eventually(async () => expect(await statuses()).toEqual([401, 401, 401, 401]), ENDED_WITHIN_MS);
});
