// The token endpoint, from outside: its responses, and what its tokens allow.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { marinaCommand } from '../cli/marina.ts';
import { attempt, run } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { emptyConfig, expectStatus, image as imageOf } from '../support/oci.ts';
import { secret } from '../support/secrets.ts';
import { cleanUp, projectRoot, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const PASSWORD = secret('correct horse & battery=staple+50%');
const REPO = 'team/app';
const folder = temporaryFolder('tokens');
const accounts = join(folder, 'htpasswd');
const image = imageOf({ config: emptyConfig, layers: [] });

let server: Server;
beforeAll(async () => {
  await setPassword('deployer', PASSWORD, 'add');
  server = await startServer({ HTPASSWD_FILE: accounts });
});

async function setPassword(name: string, password: string, verb: 'add' | 'passwd'): Promise<void> {
  const command = [...marinaCommand, 'user', verb, name, '--password-stdin'];
  await run(command, { env: { HTPASSWD_FILE: accounts }, input: password });
}

const basic = (password = PASSWORD, user = 'deployer'): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const bearer = (token: unknown): Record<string, string> => ({ authorization: `Bearer ${token}` });

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}

async function get(query: readonly (readonly [string, string])[], headers: Record<string, string> = {}, at = server) {
  const url = `${at.url}/token?${new URLSearchParams(query.map(([name, value]): [string, string] => [name, value]))}`;
  return await answerOf(await fetch(url, { headers }));
}

async function post(form: Readonly<Record<string, string>>, headers: Record<string, string> = {}, at = server) {
  return await answerOf(await fetch(`${at.url}/token`, { method: 'POST', headers, body: new URLSearchParams(form) }));
}

const passwordForm = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  grant_type: 'password',
  username: 'deployer',
  password: PASSWORD,
  service: server.host,
  client_id: 'test',
  ...more,
});

function accessOf({ body }: Answer): unknown {
  expect(body.access_token).toBe(body.token);
  return decodeJwt(String(body.token)).access;
}

const statusWith = async (headers: Record<string, string>, path = '/v2/'): Promise<number> =>
  (await fetch(server.url + path, { headers })).status;

describe('GET', () => {
  test('gives an account a token for the requested scopes', async () => {
    const answer = await get(
      [
        ['service', server.host],
        ['scope', `repository:${REPO}:pull,push repository:team/base:pull`],
        ['scope', 'registry:catalog:*'],
        ['scope', 'repository(plugin):team/plugin:*'],
        ['scope', `repository:${server.host}/team/app:delete`],
        ['scope', 'repository:other.example:5000/team/app:pull image:x:pull nonsense'],
        ['account', 'deployer'],
        ['client_id', 'docker'],
      ],
      basic(),
    );
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(Object.keys(answer.body).sort()).toEqual(['access_token', 'expires_in', 'issued_at', 'token', 'token_type']);
    expect(answer.body.expires_in).toBe(300);
    expect(Math.abs(Date.parse(String(answer.body.issued_at)) - Date.now())).toBeLessThan(10_000);
    expect(accessOf(answer)).toEqual([
      { type: 'repository', name: REPO, actions: ['pull', 'push', 'delete'] },
      { type: 'repository', name: 'team/base', actions: ['pull'] },
      { type: 'repository', name: 'team/plugin', actions: ['pull', 'push', 'delete'] },
      { type: 'registry', name: 'catalog', actions: ['*'] },
    ]);
    expect(decodeJwt(String(answer.body.token))).toMatchObject({ aud: server.host, sub: 'user:deployer' });
  });

  test('gives a token without any scope, which is enough for a login', async () => {
    const { body } = await get([], basic());
    expect(await statusWith(bearer(body.token))).toBe(200);
    expect(await statusWith(bearer(body.token), `/v2/${REPO}/tags/list`)).toBe(401);
  });

  test('gives anonymous callers a token that allows what they may do, which here is nothing', async () => {
    const answer = await get([
      ['scope', `repository:${REPO}:pull,push`],
      ['offline_token', 'true'],
    ]);
    expect(answer.status).toBe(200);
    expect(accessOf(answer)).toEqual([]);
    expect(answer.body.refresh_token).toBeUndefined();
    expect(decodeJwt(String(answer.body.token)).sub).toBe('anonymous');
    const refused = await fetch(`${server.url}/v2/${REPO}/tags/list`, { headers: bearer(answer.body.token) });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  });

  test('refuses wrong credentials with one challenge, and no token', async () => {
    for (const headers of [basic('wrong'), basic(PASSWORD, 'nobody'), { authorization: 'Basic x' }, bearer('a.b.c')]) {
      const answer = await get([['service', server.host]], headers);
      expect(answer.status).toBe(401);
      expect(answer.body).toMatchObject({ errors: [{ code: 'UNAUTHORIZED' }] });
      expect(answer.headers.get('www-authenticate')).toStartWith(
        `Bearer realm="${server.url}/token",service="${server.host}"`,
      );
    }
  });

  test('does not exchange a token: a narrow token stays narrow', async () => {
    const { body } = await get([['scope', `repository:${REPO}:pull`]], basic());
    const answer = await get([['scope', `repository:${REPO}:push`]], bearer(body.token));
    expect(answer.status).toBe(401);
    expect(answer.body.token).toBeUndefined();
  });

  test('refuses another service, and more scopes than a token can hold', async () => {
    const scopes = Array.from({ length: 65 }, (_, at) => ['scope', `repository:r${at}:pull`] as const);
    for (const query of [[['service', 'https://other.example']], [['scope', 'x'.repeat(5_000)]], scopes] as const) {
      const answer = await get(query, basic());
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({ errors: [{ code: 'UNSUPPORTED' }] });
    }
  });

  test('HEAD answers the same without a body', async () => {
    const response = await fetch(`${server.url}/token`, { method: 'HEAD', headers: basic() });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
  });
});

describe('POST', () => {
  test('gives a token for a password, and says what it allows', async () => {
    const scope = `repository:${REPO}:push,pull repository:Not/Legal:pull repository:team/base:pull`;
    const answer = await post(passwordForm({ scope }));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toMatchObject({
      scope: `repository:${REPO}:pull,push repository:team/base:pull`,
      expires_in: 300,
      token_type: 'Bearer',
    });
    expect(answer.body.refresh_token).toBeUndefined();
    expect(accessOf(answer)).toEqual([
      { type: 'repository', name: REPO, actions: ['pull', 'push'] },
      { type: 'repository', name: 'team/base', actions: ['pull'] },
    ]);
  });

  test('refuses wrong requests with an error of OAuth 2.0', async () => {
    const { service: _, ...noService } = passwordForm();
    expect((await post(noService)).status).toBe(200);
    const cases: readonly (readonly [form: Record<string, string>, status: number, error: string])[] = [
      [passwordForm({ password: 'wrong' }), 401, 'invalid_grant'],
      [passwordForm({ username: 'nobody' }), 401, 'invalid_grant'],
      [{ grant_type: 'refresh_token', refresh_token: 'a.b.c' }, 401, 'invalid_grant'],
      [passwordForm({ grant_type: 'client_credentials' }), 400, 'unsupported_grant_type'],
      [passwordForm({ password: '' }), 400, 'invalid_request'],
      [passwordForm({ service: 'a b' }), 400, 'invalid_request'],
      [passwordForm({ scope: 'x'.repeat(5_000) }), 400, 'invalid_request'],
      [{}, 400, 'invalid_request'],
    ];
    for (const [form, status, error] of cases) {
      const answer = await post(form);
      expect({ status: answer.status, error: answer.body.error }).toEqual({ status, error });
      expect(answer.body.error_description).toBeString();
      expect(answer.headers.get('cache-control')).toBe('no-store');
      const challenge = `Bearer realm="${server.url}/token",service="${server.host}"`;
      expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? challenge : null);
    }
  });

  test('refuses bodies of another type, long ones, and those of web pages', async () => {
    const body = new URLSearchParams(passwordForm()).toString();
    const send = (init: RequestInit): Promise<Response> => fetch(`${server.url}/token`, { method: 'POST', ...init });
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await send({ body, headers: type })).status).toBe(200);
    expect((await send({ body, headers: { 'content-type': 'application/json' } })).status).toBe(400);
    expect((await send({ body: `${body}&x=${'x'.repeat(33_000)}`, headers: type })).status).toBe(400);
    expect((await send({ body, headers: { ...type, origin: 'https://page.example' } })).status).toBe(403);
  });

  test('limits guesses, and says when to try again', async () => {
    const guess = (): Promise<Answer> => post(passwordForm({ username: 'guessed', password: `${Math.random()}` }));
    let answer = await guess();
    for (let guesses = 1; answer.status === 401 && guesses < 100; guesses++) answer = await guess();
    expect(answer).toMatchObject({ status: 429, body: { error: 'temporarily_unavailable' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    // Others with the same address are not locked out.
    expect((await post(passwordForm())).status).toBe(200);
  });
});

describe('a token', () => {
  const blobs = `/v2/${REPO}/blobs/uploads/`;

  test('allows the requested scopes, and nothing else', async () => {
    const scoped = async (scope: string): Promise<Record<string, string>> =>
      bearer((await post(passwordForm({ scope }))).body.token);
    const pull = await scoped(`repository:${REPO}:pull`);
    const push = await scoped(`repository:${REPO}:pull,push`);
    const remove = await scoped(`repository:${REPO}:*`);
    const put = async (headers: Record<string, string>, status: number): Promise<void> => {
      const upload = `${server.url}${blobs}?digest=${emptyConfig.descriptor.digest}`;
      await expectStatus(status, upload, { method: 'POST', body: emptyConfig.bytes, headers });
    };
    await put(pull, 401);
    await put(push, 201);
    const address = `${server.url}/v2/${REPO}/manifests/v1`;
    const type = { 'content-type': image.descriptor.mediaType };
    await expectStatus(201, address, { method: 'PUT', body: image.bytes, headers: { ...push, ...type } });
    await expectStatus(200, address, { headers: pull });
    await expectStatus(401, address, { method: 'DELETE', headers: push });
    await expectStatus(401, `${server.url}/v2/team/other/tags/list`, { headers: push });
    await expectStatus(202, address, { method: 'DELETE', headers: remove });
    await expectStatus(401, `${server.url}/v2/_catalog`, { headers: remove });
    await expectStatus(200, `${server.url}/v2/_catalog`, { headers: await scoped('registry:catalog:*') });
  });

  test('of another registry with the same account is refused', async () => {
    const other = await startServer({
      HTPASSWD_FILE: accounts,
      TOKEN_KEY_FILE: join(server.dataPath, 'token-key.pem'),
    });
    const { body } = await get([['service', other.host]], basic(), other);
    expect((await fetch(`${other.url}/v2/`, { headers: bearer(body.token) })).status).toBe(200);
    const refused = await fetch(`${server.url}/v2/`, { headers: bearer(body.token) });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"');
    await other.stop();
  });
});

test('the rules apply when a token is issued, and again when it is used', async () => {
  const file = join(folder, 'access.yaml');
  const everyone = "rules:\n  - {who: anonymous, repositories: ['public/**'], actions: [pull]}\n";
  const creates = "  - {who: deployer, repositories: ['team/**'], actions: [pull, create]}\n";
  writeFileSync(file, everyone + creates);
  const ruled = await startServer({ HTPASSWD_FILE: accounts, ACCESS_FILE: file });
  const scope = ['scope', `repository:public/base:pull,push repository:${REPO}:pull,push,delete`] as const;
  expect(accessOf(await get([scope], {}, ruled))).toEqual([
    { type: 'repository', name: 'public/base', actions: ['pull'] },
  ]);
  const answer = await post(passwordForm({ service: ruled.host, scope: scope[1] }), {}, ruled);
  expect(answer.body.scope).toBe(`repository:public/base:pull repository:${REPO}:pull,push`);

  const headers = { ...bearer(answer.body.token), 'content-type': image.descriptor.mediaType };
  const upload = `${ruled.url}/v2/${REPO}/blobs/uploads/?digest=${emptyConfig.descriptor.digest}`;
  await expectStatus(201, upload, { method: 'POST', body: emptyConfig.bytes, headers });
  const put = (status: number, { bytes }: { readonly bytes: Uint8Array }) =>
    expectStatus(status, `${ruled.url}/v2/${REPO}/manifests/v1`, { method: 'PUT', body: bytes, headers });
  const other = imageOf({ config: emptyConfig, layers: [], annotations: { other: 'yes' } });
  await put(201, image);
  await put(201, image);
  // The token says `push`, and means `create`: it moves no tag.
  await put(403, other);

  writeFileSync(file, everyone);
  await eventually(async () => {
    expect((await fetch(`${ruled.url}/v2/${REPO}/tags/list`, { headers })).status).toBe(401);
  });
  await ruled.stop();
});

describe('a refresh token', () => {
  test('is issued on request, and is exchanged only for access tokens', async () => {
    const byGet = await get([['offline_token', 'true']], basic());
    const byPost = await post(passwordForm({ access_type: 'offline' }));
    for (const { body } of [byGet, byPost]) {
      const { refresh_token: refreshToken } = body;
      const form = {
        grant_type: 'refresh_token',
        refresh_token: String(refreshToken),
        scope: `repository:${REPO}:pull`,
      };
      const again = await post(form);
      expect(again.status).toBe(200);
      expect(accessOf(again)).toEqual([{ type: 'repository', name: REPO, actions: ['pull'] }]);
      expect(again.body.refresh_token).toBeUndefined();
      expect((await post({ ...form, access_type: 'offline' })).body.refresh_token).toBe(refreshToken);
      expect(await statusWith(bearer(refreshToken))).toBe(401);
      expect((await post({ ...form, refresh_token: String(again.body.token) })).status).toBe(401);
    }
  });
});

test('a changed password invalidates its tokens', async () => {
  await setPassword('leaver', 'first password', 'add');
  const logIn = () => get([['offline_token', 'true']], basic('first password', 'leaver'));
  // Each thread of the server reads the file by itself, so after a login that succeeded the next one may fail.
  let answer = await logIn();
  await eventually(async () => {
    if (answer.status !== 200) answer = await logIn();
    expect(answer.status).toBe(200);
  });
  const { body } = answer;
  const refresh = { grant_type: 'refresh_token', refresh_token: String(body.refresh_token) };
  const statuses = async () => [await statusWith(bearer(body.token)), (await post(refresh)).status];
  await eventually(async () => expect(await statuses()).toEqual([200, 200]));
  await setPassword('leaver', 'second password', 'passwd');
  await eventually(async () => expect(await statuses()).toEqual([401, 401]));
});

test('a key is replaced while the registry runs, and tokens of the old key stay valid as long as it is in the file', async () => {
  const path = join(folder, 'rotated.pem');
  const [old, fresh] = [makeTokenKey(), makeTokenKey()];
  writeFileSync(path, old);
  const rotating = await startServer({ HTPASSWD_FILE: accounts, TOKEN_KEY_FILE: path });
  const { body } = await get([], basic(), rotating);
  const status = async (token: unknown): Promise<number> =>
    (await fetch(`${rotating.url}/v2/`, { headers: bearer(token) })).status;
  expect(await status(body.token)).toBe(200);
  writeFileSync(path, fresh + old);
  await eventually(() => expect(rotating.logs()).toContain('a changed configuration file is in use'));
  expect(await status(body.token)).toBe(200);
  // Each thread reads the file again by itself. New connections reach all of them.
  const kidOf = (token: unknown) => decodeProtectedHeader(String(token)).kid;
  const newTokens = () =>
    Promise.all(
      Array.from({ length: 24 }, async () => {
        const headers = { ...basic(), connection: 'close' };
        return (await get([], headers, rotating)).body.token;
      }),
    );
  let next: readonly unknown[] = [];
  await eventually(async () => {
    next = await newTokens();
    for (const token of next) expect(kidOf(token)).not.toBe(kidOf(body.token));
  });
  writeFileSync(path, fresh);
  await eventually(async () => expect(await status(body.token)).toBe(401));
  for (const token of next) expect(await status(token)).toBe(200);
  await rotating.stop();
});

test('the lifetime is a setting', async () => {
  const short = await startServer({ HTPASSWD_FILE: accounts, TOKEN_LIFETIME: '60s' });
  expect((await get([], basic(), short)).body.expires_in).toBe(60);
  await short.stop();
});

test('the service is a host from the settings', async () => {
  const named = await startServer({ HTPASSWD_FILE: accounts, PUBLIC_HOSTS: 'r.example,r.example:5000' });
  for (const [host, service] of [
    ['r.example:5000', 'r.example:5000'],
    ['evil.example', 'r.example'],
  ] as const) {
    const headers = { ...basic(), host };
    const { body } = await get([], headers, named);
    expect(decodeJwt(String(body.token)).aud).toBe(service);
    expect((await get([['service', 'evil.example']], headers, named)).status).toBe(400);
  }
  await named.stop();
});

test('a registry without accounts has no token endpoint', async () => {
  const open = await startServer();
  for (const init of [{}, { method: 'POST', body: new URLSearchParams({ grant_type: 'password' }) }]) {
    const response = await fetch(`${open.url}/token?service=${open.host}`, init);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ errors: [{ message: 'this registry issues no tokens' }] });
  }
  expect((await fetch(`${open.url}/token`, { method: 'DELETE' })).status).toBe(405);
  expect((await fetch(`${open.url}/tokens`)).status).toBe(404);
  expect(existsSync(join(open.dataPath, 'token-key.pem'))).toBeFalse();
  await open.stop();
});

describe('the key', () => {
  test('is created at the first start, readable by its owner only, and is kept', async () => {
    const dataPath = join(folder, 'kept');
    const path = join(dataPath, 'token-key.pem');
    const start = (): Promise<Server> => startServer({ HTPASSWD_FILE: accounts, STORAGE_PATH: dataPath });
    const first = await start();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const pem = readFileSync(path, 'utf8');
    const { body } = await get([], basic(), first);
    await first.kill();
    const second = await start();
    expect(readFileSync(path, 'utf8')).toBe(pem);
    // The host is another one, but any host is accepted if none is set.
    expect((await fetch(`${second.url}/v2/`, { headers: bearer(body.token) })).status).toBe(200);
    await second.stop();
  });

  test('that is missing or wrong stops the start with one line, which shows no part of it', async () => {
    const wrong = join(folder, 'wrong.pem');
    writeFileSync(wrong, '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n');
    mkdirSync(join(folder, 'a-folder'));
    const bucket = { STORAGE_DRIVER: 's3', S3_BUCKET: 'none', S3_ENDPOINT: 'http://127.0.0.1:9' };
    const cases: readonly (readonly [env: Record<string, string>, message: string])[] = [
      [{ TOKEN_KEY_FILE: wrong }, `TOKEN_KEY_FILE=${wrong} cannot be used: key 1 of 1 cannot be read`],
      [
        { TOKEN_KEY_FILE: join(folder, 'missing') },
        'cannot be used: there is no such file: create one with "marina token-key"',
      ],
      [{ TOKEN_KEY_FILE: join(folder, 'a-folder') }, 'it is not a regular file'],
      [{ TOKEN_LIFETIME: '30s' }, 'TOKEN_LIFETIME=30s cannot be used: a duration from 60s to 24h is expected'],
      [{ REDIS_URL: 'redis://127.0.0.1:9' }, 'Create one with "marina token-key > token-key.pem"'],
      [bucket, 'Create one with "marina token-key > token-key.pem"'],
    ];
    for (const [env, message] of cases) {
      const settings = { HTPASSWD_FILE: accounts, STORAGE_PATH: join(folder, 'refused'), PORT: '0', ...env };
      const command = [join(projectRoot, 'node_modules', '.bin', 'bun'), 'src/main.ts'];
      const { code, stderr } = await attempt(command, { env: settings });
      expect(code).toBe(1);
      expect(stderr).toContain(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(stderr).not.toContain('hunter2');
    }
  });
});

test('no line of the log has a password or a token', async () => {
  const { body } = await get(
    [
      ['offline_token', 'true'],
      ['password', PASSWORD],
    ],
    basic(),
  );
  await post(passwordForm({ access_type: 'offline', client_id: 'x'.repeat(5_000) }));
  await statusWith(bearer(body.token));
  const logs = server.logs();
  expect(logs).toContain('"grant":"password","actor":"user:deployer"');
  expect(logs).not.toContain(PASSWORD);
  expect(logs).not.toContain('horse');
  expect(logs).not.toContain('eyJ');
  expect(logs).not.toContain('x'.repeat(101));
  const metrics = await (await fetch(`${server.url}/metrics`, { headers: basic() })).text();
  expect(metrics).toMatch(/marina_tokens_total\{grant="password",result="issued"\} [1-9]/);
  expect(metrics).toMatch(/marina_tokens_total\{grant="refresh_token",result="refused"\} [1-9]/);
});
