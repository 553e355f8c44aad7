// ACCESS_FILE in a cluster: every node uses a changed file, and shows which content it uses.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

const READ =
  "rules:\n  - {who: anonymous, repositories: ['**'], actions: [pull]}\n  - {who: anonymous, actions: [metrics]}\n";
const WRITE = READ.replace('[pull]', '[pull, create]');
/** Two seconds, and some time for a busy machine. */
const IN_USE_WITHIN_MS = 10_000;

test('every node uses a changed file, and shows the hash of the content in use', async () => {
  const folder = temporaryFolder('access-cluster');
  const [path, key] = [join(folder, 'access.yaml'), join(folder, 'key.pem')];
  const write = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  write(READ);
  writeFileSync(key, makeTokenKey());
  const cluster = await startCluster({ balancer: false, workers: 1, env: { ACCESS_FILE: path, TOKEN_KEY_FILE: key } });
  const onEach = <T>(ask: (url: string) => Promise<T>) => Promise.all(cluster.nodes.map(({ url }) => ask(url)));
  const push = async (url: string) => (await fetch(`${url}/v2/team/app/blobs/uploads/`, { method: 'POST' })).status;
  // While the threads of a node use different contents there are several.
  const hash = async (url: string) => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const shown = text.matchAll(/marina_config_file_info\{file="ACCESS_FILE",hash="([0-9a-f]{64})"\} 1/g);
    return [...shown].map(([, each]) => each).join();
  };
  const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
  expect([await onEach(push), await onEach(hash)]).toEqual([[401, 401], Array(2).fill(hashOf(READ))]);

  write(WRITE);
  await eventually(async () => {
    expect(await onEach(push)).toEqual([202, 202]);
    expect(await onEach(hash)).toEqual(Array(2).fill(hashOf(WRITE)));
  }, IN_USE_WITHIN_MS);

  write('rules: nonsense');
  await eventually(() => {
    for (const node of cluster.nodes) expect(node.logs()).toContain('its last good content stays in use');
  });
  expect([await onEach(push), await onEach(hash)]).toEqual([[202, 202], Array(2).fill(hashOf(WRITE))]);

  write(READ);
  await eventually(async () => expect(await onEach(push)).toEqual([401, 401]), IN_USE_WITHIN_MS);
});
