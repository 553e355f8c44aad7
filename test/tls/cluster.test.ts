// TLS in the cluster: each node ends it by itself.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeAccessFiles } from '../access/world.ts';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { digestOf, image, mediaTypes, randomBlob } from '../support/oci.ts';
import type { Server } from '../support/server.ts';
import { Authority, type Certificate, CertificateFiles } from './authority.ts';
import { nameShownBy } from './connection.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

const RULES = `
rules:
  - { who: 'cert:deployer', repositories: ['ours/**'], actions: [pull, push] }
  - { who: 'cert:reader', repositories: ['ours/**'], actions: [pull] }
`;

let authority: Authority;
let files: CertificateFiles;
let deployer: Certificate;
let reader: Certificate;
let cluster: Cluster;
let nodes: readonly [Server, Server];

beforeAll(async () => {
  await tools('openssl', 'minio', 'redis-server');
  authority = await Authority.open();
  const client = (name: string) =>
    authority.issue({ subject: `/CN=${name}`, extensions: ['extendedKeyUsage=clientAuth'] });
  [deployer, reader] = await Promise.all([client('deployer'), client('reader')]);
  files = new CertificateFiles(await authority.issue({ subject: '/CN=one' }));
  const access = { ...writeAccessFiles(RULES).env, TLS_CLIENT_CA_FILE: authority.file, PUBLIC_HOSTS: '' };
  cluster = await startCluster({ balancer: false, env: { ...files.env, ...access } });
  const [first, second] = cluster.nodes;
  if (first === undefined || second === undefined) throw new Error('the cluster has too few nodes');
  nodes = [first, second];
}, TOOLS_WITHIN_MS);

function send(node: Server, path: string, certificate: Certificate | undefined, init: BunFetchRequestInit = {}) {
  return fetch(node.url + path, { ...init, tls: { ca: authority.pem, ...certificate }, keepalive: false });
}

test('what is pushed to one node can be pulled from the other one, and clients are known to both by their certificates', async () => {
  const [one, other] = nodes;
  const layer = randomBlob(5 * 1024 * 1024);
  const { bytes, blobs } = image({ layers: [layer] });
  for (const blob of blobs) {
    const begun = await send(one, '/v2/ours/app/blobs/uploads/', deployer, { method: 'POST' });
    const { pathname, searchParams } = new URL(begun.headers.get('location') ?? '', one.url);
    searchParams.set('digest', blob.descriptor.digest);
    const target = `${pathname}?${searchParams}`;
    expect((await send(other, target, reader, { method: 'PUT', body: blob.bytes })).status).toBe(403);
    expect((await send(other, target, deployer, { method: 'PUT', body: blob.bytes })).status).toBe(201);
  }
  const headers = { 'content-type': mediaTypes.manifest };
  const path = '/v2/ours/app/manifests/v1';
  expect((await send(one, path, reader, { method: 'PUT', body: bytes, headers })).status).toBe(403);
  expect((await send(one, path, deployer, { method: 'PUT', body: bytes, headers })).status).toBe(201);
  for (const node of nodes) {
    expect((await send(node, path, reader)).status).toBe(200);
    expect((await send(node, path, undefined)).status).toBe(401);
    // The first time from the bucket, then from the node's copy.
    for (const range of ['bytes=0-', 'bytes=0-', 'bytes=7-4000000']) {
      const blob = `/v2/ours/app/blobs/${layer.descriptor.digest}`;
      const response = await send(node, blob, reader, { headers: { range } });
      const [, first = '', last = ''] = /(\d+)-(\d*)/.exec(range) ?? [];
      const end = last === '' ? layer.bytes.length : Number(last) + 1;
      expect(digestOf(await response.bytes())).toBe(digestOf(layer.bytes.subarray(Number(first), end)));
    }
  }
});

test('a changed certificate is used by all nodes', async () => {
  files.write(await authority.issue({ subject: '/CN=two' }));
  for (const { port } of nodes) {
    await eventually(async () => expect(await nameShownBy(port, authority.pem)).toBe('two'));
  }
});
