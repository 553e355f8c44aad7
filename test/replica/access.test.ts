// A replica of a registry with access control: how it logs in, and the robots that it copies.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { basic, robot, secretFrom, statusOf } from '../access/robots.ts';
import { eventually } from '../support/eventually.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { becomesEqual, refusalOf, replicaOf, startReplica } from './replicas.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const folder = temporaryFolder('replica-access');
const ACCESS_FILE = join(folder, 'access.yaml');
const STORAGE_PATH = join(folder, 'data');
const env = { STORAGE_PATH };
let primary: Server;

beforeAll(async () => {
  writeFileSync(
    ACCESS_FILE,
    `rules:
  - { who: 'robot:replica', repositories: ['**'], actions: [pull, admin] }
  - { who: ['robot:ci', 'robot:reader'], repositories: ['**'], actions: [pull, push, catalog] }
`,
  );
  primary = await startServer({ ACCESS_FILE, STORAGE_PATH });
});

function loginOf(name: string, password: string): Record<string, string> {
  const file = join(folder, `${name}-password`);
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return { REPLICA_USERNAME: `robot+${name}`, REPLICA_PASSWORD_FILE: file, ACCESS_FILE };
}

test('a replica needs an account with the right admin, and says so', async () => {
  const { url } = primary;
  expect(await refusalOf(replicaOf(url, { ACCESS_FILE }))).toContain(
    'REPLICA_USERNAME and REPLICA_PASSWORD_FILE must be an account of the source with the right admin',
  );
  const secret = await secretFrom(env, 'create', 'reader');
  expect(await refusalOf(replicaOf(url, loginOf('reader', secret)))).toContain('the source answers 403');
  expect(await refusalOf(replicaOf(url, loginOf('reader', 'wrong')))).toContain('the source answers 401');
});

test('robots of the primary log in at the replica, until they are revoked at the primary', async () => {
  const settings = replicaOf(primary.url, loginOf('replica', await secretFrom(env, 'create', 'replica')));
  const copy = await startReplica(settings);
  const ci = basic('ci', await secretFrom(env, 'create', 'ci'));
  await eventually(async () => expect(await statusOf(`${copy.url}/v2/_catalog`, ci)).toBe(200));
  await becomesEqual(settings, 2);
  const refused = await robot(settings, 'create', 'mine');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(`a replica of ${primary.url}`)]);
  expect((await robot(env, 'revoke', 'ci')).code).toBe(0);
  await eventually(async () => expect(await statusOf(`${copy.url}/v2/_catalog`, ci)).toBe(401));
});
