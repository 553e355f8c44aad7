import { describe, expect, test } from 'bun:test';
import { type AccessPolicy, type Action, ANONYMOUS_CALLER, type Caller, openAccess } from '../access/access.ts';
import { Authentication } from '../access/authentication.ts';
import type { Authenticated, MaybeAsync } from '../access/authenticator.ts';
import type { Authority, Grants } from '../access/authority.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName, Tag, UploadId } from '../oci/names.ts';
import { type Challenge, renderChallenge, Unauthorized } from './challenge.ts';
import { Proxies } from './forwarded.ts';
import { Gate, type GateRequest } from './gate.ts';
import { PublicAddress } from './public-address.ts';
import { requiredAccess } from './required-access.ts';
import type { Requirement } from './requirement.ts';
import type { Route, RouteKind } from './route.ts';

const repo = 'team/app' as RepositoryName;
const from = 'team/base' as RepositoryName;
const digest = `sha256:${'a'.repeat(64)}` as Digest;
const upload = '00000000-0000-8000-8000-000000000000' as UploadId;
const reference = { kind: 'tag', tag: 'v1' as Tag } as const;
const moment = { kind: 'moment', moment: { kind: 'slot', seq: 1 } } as const;
const paged = { n: undefined, last: undefined };
const pull: Requirement = { kind: 'repository', action: 'pull', repo };
const create: Requirement = { kind: 'repository', action: 'create', repo };
const remove: Requirement = { kind: 'repository', action: 'delete', repo };
const admin: Requirement = { kind: 'registry', action: 'admin' };
const inc = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
const ADMIN = 'registry:admin:*';
const PULL = 'repository:team/app:pull';
const PUSH = 'repository:team/app:pull,push';

/** Kinds of requests that need nothing. */
type Open =
  | 'page'
  | 'token-get'
  | 'token-post'
  | 'api-document'
  | 'api-search'
  | 'api-repositories'
  | 'api-totals'
  | 'api-storage'
  | 'api-retention-outlook';

/**
 * Every kind of request that needs something: what, what the challenge asks for, and how someone who has proved who they are is
 * refused.
 */
const ROWS: {
  readonly [K in Exclude<RouteKind, Open>]: [
    Extract<Route, { kind: K }>,
    Requirement,
    string | undefined,
    'hidden' | 'denied',
  ];
} = {
  ping: [{ kind: 'ping' }, { kind: 'identity' }, undefined, 'denied'],
  'api-changes': [
    { kind: 'api-changes', since: { kind: 'now' }, limit: 100, wait: 0 },
    { kind: 'identity' },
    undefined,
    'denied',
  ],
  'blob-get': [{ kind: 'blob-get', repo, digest }, pull, PULL, 'hidden'],
  'blob-head': [{ kind: 'blob-head', repo, digest }, pull, PULL, 'hidden'],
  'blob-delete': [{ kind: 'blob-delete', repo, digest }, remove, 'repository:team/app:delete', 'denied'],
  'manifest-get': [{ kind: 'manifest-get', repo, reference }, pull, PULL, 'hidden'],
  'manifest-head': [{ kind: 'manifest-head', repo, reference }, pull, PULL, 'hidden'],
  'manifest-put': [{ kind: 'manifest-put', repo, reference, tags: [] }, create, PUSH, 'denied'],
  'manifest-delete': [{ kind: 'manifest-delete', repo, reference }, remove, 'repository:team/app:delete', 'denied'],
  'upload-start': [{ kind: 'upload-start', repo, algorithm: 'sha256' }, create, PUSH, 'denied'],
  'upload-monolithic': [{ kind: 'upload-monolithic', repo, digest }, create, PUSH, 'denied'],
  'blob-mount': [{ kind: 'blob-mount', repo, digest, from }, create, `${PUSH} repository:team/base:pull`, 'denied'],
  'upload-chunk': [{ kind: 'upload-chunk', repo, upload }, create, PUSH, 'denied'],
  'upload-close': [{ kind: 'upload-close', repo, upload, digest }, create, PUSH, 'denied'],
  'upload-status': [{ kind: 'upload-status', repo, upload }, create, PUSH, 'denied'],
  'upload-cancel': [{ kind: 'upload-cancel', repo, upload }, create, PUSH, 'denied'],
  'tags-list': [{ kind: 'tags-list', repo, ...paged }, pull, PULL, 'hidden'],
  referrers: [{ kind: 'referrers', repo, digest, artifactType: undefined, last: undefined }, pull, PULL, 'hidden'],
  'api-tag-history': [{ kind: 'api-tag-history', repo, tag: reference.tag, after: 0, n: 1 }, pull, PULL, 'hidden'],
  'api-repository': [{ kind: 'api-repository', repo, n: 1 }, pull, PULL, 'hidden'],
  'api-diff': [{ kind: 'api-diff', repo, from: moment, to: moment }, pull, PULL, 'hidden'],
  'api-manifest': [{ kind: 'api-manifest', repo, reference }, pull, PULL, 'hidden'],
  'api-tags': [{ kind: 'api-tags', repo, sort: 'time', after: 0, n: 1 }, pull, PULL, 'hidden'],
  'api-retention': [{ kind: 'api-retention', repo, after: 0, n: 1 }, pull, PULL, 'hidden'],
  'api-pins': [{ kind: 'api-pins', repo }, pull, PULL, 'hidden'],
  'api-sharers': [{ kind: 'api-sharers', repo, digest }, pull, PULL, 'hidden'],
  'api-packages': [{ kind: 'api-packages', repo, reference, after: 0, n: 1 }, pull, PULL, 'hidden'],
  'api-compare': [
    { kind: 'api-compare', a: { repo, reference }, b: { repo: from, reference } },
    pull,
    `${PULL} repository:team/base:pull`,
    'hidden',
  ],
  ...{
    'api-access': [{ kind: 'api-access' }, admin, ADMIN, 'denied'],
    'api-access-explain': [{ kind: 'api-access-explain', who: 'x', repository: repo }, admin, ADMIN, 'denied'],
    'api-robots': [{ kind: 'api-robots', after: 0, n: 1 }, admin, ADMIN, 'denied'],
    'api-robot-change': [{ kind: 'api-robot-change' }, admin, ADMIN, 'denied'],
    'api-operations': [{ kind: 'api-operations' }, admin, ADMIN, 'denied'],
    'api-order': [{ kind: 'api-order' }, admin, ADMIN, 'denied'],
    'api-replication': [{ kind: 'api-replication' }, admin, ADMIN, 'denied'],
    'api-replication-slots': [{ kind: 'api-replication-slots', of: [{ repo, after: 0 }] }, admin, ADMIN, 'denied'],
    'api-replication-log': [{ kind: 'api-replication-log', log: 'notes', after: 0, wait: 0 }, admin, ADMIN, 'denied'],
    'api-replication-repositories': [{ kind: 'api-replication-repositories' }, admin, ADMIN, 'denied'],
    'api-replication-objects': [{ kind: 'api-replication-objects', of: [inc] }, admin, ADMIN, 'denied'],
    'api-replication-object': [{ kind: 'api-replication-object', incarnation: inc }, admin, ADMIN, 'denied'],
    'api-replication-collections': [{ kind: 'api-replication-collections' }, admin, ADMIN, 'denied'],
    'api-replication-collection': [{ kind: 'api-replication-collection', epoch: inc }, admin, ADMIN, 'denied'],
  },
  catalog: [{ kind: 'catalog', ...paged }, { kind: 'registry', action: 'catalog' }, 'registry:catalog:*', 'denied'],
};
const rows = Object.entries(ROWS);

const NOBODY_MAY: AccessPolicy = {
  allows: () => false,
  mayPullUnnamed: () => false,
  mayList: () => false,
  maySeeAny: () => false,
  allowsRegistry: () => false,
};
const NO_GRANTS: Grants = { allows: () => false, allowsRegistry: () => false };
const USER: Authority = { kind: 'identity', identity: { kind: 'user', name: 'me' } };
const OIDC: Authority = { kind: 'identity', identity: { kind: 'oidc', issuer: 'ci', subject: 'job', claims: {} } };
const OWN_TOKEN: Authority = { kind: 'own-token', identity: USER.identity, grants: NO_GRANTS };
const SERVER_TOKEN: Authority = { kind: 'server-token', identity: { kind: 'token', subject: 'me' }, grants: NO_GRANTS };

interface Line {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function open({
  policy = openAccess,
  basic = { kind: 'refused', reason: 'wrong password' } as MaybeAsync<Authenticated>,
  bearer = { kind: 'refused', reason: 'expired' } as MaybeAsync<Authenticated>,
  catchUp = (): Promise<void> | undefined => undefined,
} = {}) {
  const lines: Line[] = [];
  const write = (fields: Readonly<Record<string, unknown>>, message: string) => lines.push({ message, fields });
  const gate = new Gate({
    authentication: new Authentication([{ basic: () => basic }], [{ bearer: () => bearer }]),
    policy,
    rules: { allowing: () => 3, nearest: () => 7 },
    publicAddress: new PublicAddress({ url: '', hosts: [], proxies: new Proxies([]), scheme: 'https' }),
    logger: { info: write, warn: write },
    catchUp,
  });
  return { gate, lines };
}

function request(authorization?: string, certificate?: Authenticated): GateRequest {
  const headers = { host: 'r.example', ...(authorization === undefined ? {} : { authorization }) };
  const about = { id: 'request-1', address: '192.0.2.1', certificate, loginToken: undefined };
  return { ...about, request: new Request('http://r.example/v2/', { headers }) };
}

const BASIC = `Basic ${Buffer.from('me:secret').toString('base64')}`;
const BEARER = 'Bearer token';

function caller(authority: Authority): Caller {
  return { ...ANONYMOUS_CALLER, authority };
}

async function outcomeOf(work: () => unknown): Promise<'served' | Challenge | string> {
  try {
    await work();
    return 'served';
  } catch (error) {
    if (error instanceof Unauthorized) return error.challenge;
    if (error instanceof RegistryError) return error.kind;
    throw error;
  }
}

describe('required access', () => {
  test.each(rows)('of %s follows its kind', (_, [route, requirement, , refusal]) => {
    const required = requiredAccess(route);
    expect([required?.requirements[0], required?.refusal]).toEqual([requirement, refusal]);
    expect(required?.requirements).toHaveLength(route.kind === 'api-compare' ? 2 : 1);
  });

  test('of a comparison is that of both repositories', () => {
    const [route] = ROWS['api-compare'];
    expect(requiredAccess(route)?.requirements).toEqual([pull, { kind: 'repository', action: 'pull', repo: from }]);
  });

  test('of a mount without a source asks for nothing more', () => {
    expect(requiredAccess({ kind: 'blob-mount', repo, digest, from: undefined })?.wishes).toEqual([]);
  });

  test('of the token endpoint is empty', async () => {
    const get: Route = { kind: 'token-get', service: undefined, scopes: [], offline: false, clientId: undefined };
    for (const route of [get, { kind: 'token-post' } as const]) {
      const { gate } = open({ policy: NOBODY_MAY });
      expect(await outcomeOf(() => gate.admit(requiredAccess(route), ANONYMOUS_CALLER, request()))).toBe('served');
    }
  });

  test('of a kind without a row is undefined, and such requests are denied', async () => {
    const route = { kind: 'new-kind', repo } as unknown as Route;
    expect(requiredAccess(route)).toBeUndefined();
    expect(await outcomeOf(() => open().gate.admit(undefined, caller(USER), request()))).toBe('denied');
  });
});

describe.each(rows)('%s', (_, [route, requirement, scope, refusal]) => {
  const required = requiredAccess(route);
  const { gate, lines } = open({ policy: NOBODY_MAY });
  const isLogIn = requirement.kind === 'identity';

  test('without credentials and without the right is answered with a challenge', async () => {
    const outcome = await outcomeOf(() => gate.admit(required, ANONYMOUS_CALLER, request()));
    expect(outcome).toEqual({ scope, error: undefined });
  });

  test.each([
    ['ours', OWN_TOKEN],
    ["a token server's", SERVER_TOKEN],
  ])('with a token of %s that does not allow it is answered with its scope', async (_, authority) => {
    const outcome = await outcomeOf(() => gate.admit(required, caller(authority), request(BEARER)));
    expect(outcome).toEqual(isLogIn ? 'served' : { scope, error: 'insufficient_scope' });
  });

  test.each([
    ['a user', USER],
    ['an OIDC identity', OIDC],
  ])('of %s who may not is refused, or answered as if there was nothing', async (_, authority) => {
    lines.length = 0;
    const outcome = await outcomeOf(() => gate.admit(required, caller(authority), request(BASIC)));
    expect(outcome).toBe(isLogIn || refusal === 'hidden' ? 'served' : 'denied');
    const line = { message: 'a request was refused', fields: expect.objectContaining({ nearestRule: 7 }) };
    expect(lines).toEqual(isLogIn ? [] : [line]);
  });

  test('that is allowed is reported with the rule that allows it', () => {
    expect(open().gate.admit(required, caller(USER), request())).toBe(isLogIn ? undefined : 3);
  });

  test('of a caller with the right is served', async () => {
    for (const authority of [USER, OIDC, OWN_TOKEN, SERVER_TOKEN])
      expect(await outcomeOf(() => open().gate.admit(required, caller(authority), request()))).toBe('served');
  });

  test('with wrong credentials is refused even if anonymous callers are allowed', async () => {
    const { gate } = open();
    expect(await outcomeOf(() => gate.identify(request(BASIC), required))).toEqual({ scope, error: undefined });
    expect(await outcomeOf(() => gate.identify(request('Digest a'), required))).toEqual({ scope, error: undefined });
    expect(await outcomeOf(() => gate.identify(request(BEARER), required))).toEqual({ scope, error: 'invalid_token' });
  });
});

describe('the caller of a request', () => {
  const required = requiredAccess({ kind: 'ping' });

  test('is anonymous without credentials', () => {
    expect(open().gate.identify(request(), required)).toEqual({
      actor: ANONYMOUS_CALLER.actor,
      authority: ANONYMOUS_CALLER.authority,
    });
  });

  test('is identified synchronously if the authenticator answers synchronously', () => {
    const { gate } = open({ basic: { kind: 'known', authority: USER } });
    const first = gate.identify(request(BASIC), required);
    expect(first).toEqual({ actor: { id: 'user:me', label: 'user:me' }, authority: USER } as never);
    expect(gate.identify(request(BASIC), required)).toBe(first);
  });

  test('is identified asynchronously otherwise', async () => {
    const known: Authenticated = { kind: 'known', authority: OIDC };
    const { gate } = open({ bearer: Promise.resolve(known) });
    expect((await gate.identify(request(BEARER), required)).actor.label).toBe('oidc:ci:job' as never);
  });

  test('is identified, also by a remembered header, only after this thread has caught up with the others', async () => {
    const order: string[] = [];
    const acceptAgain = () => order.push('remembered') > 0;
    let catchingUp: Promise<void> | undefined;
    const { gate } = open({ basic: { kind: 'known', authority: USER, acceptAgain }, catchUp: () => catchingUp });
    const first = gate.identify(request(BASIC), required);
    catchingUp = Bun.sleep(5).then(() => void order.push('caught up'));
    expect(await gate.identify(request(BASIC), required)).toBe(await first);
    expect(order).toEqual(['caught up', 'remembered']);
  });

  test('is in the client certificate only if there is no Authorization header', async () => {
    const authority: Authority = { kind: 'identity', identity: { kind: 'certificate', commonName: 'node' } };
    const { gate } = open();
    expect(gate.identify(request(undefined, { kind: 'known', authority }), required)).toMatchObject({ authority });
    const refused = await outcomeOf(() => gate.identify(request(BASIC, { kind: 'known', authority }), required));
    expect(refused).toMatchObject({ error: undefined });
  });

  test('is not in a client certificate that is not accepted: the request is refused, unless it has other credentials', async () => {
    const certificate: Authenticated = { kind: 'refused', reason: 'CERT_HAS_EXPIRED' };
    const { gate, lines } = open({ basic: { kind: 'known', authority: USER } });
    const refused = await outcomeOf(() => gate.identify(request(undefined, certificate), required));
    expect(refused).toMatchObject({ error: undefined });
    expect(lines).toMatchObject([{ message: 'credentials were refused', fields: { reason: 'CERT_HAS_EXPIRED' } }]);
    expect(gate.identify(request(BASIC, certificate), required)).toMatchObject({ authority: USER });
  });

  test('is not identified while too many logins are in progress: the client gets Retry-After', async () => {
    const { gate } = open({ basic: { kind: 'later', retryAfterSeconds: 17 } });
    const error = await Promise.try(() => gate.identify(request(BASIC), required)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ kind: 'too-many-requests', detail: { retryAfter: 17 } });
  });

  test('is in the line about a refusal, without the credentials', async () => {
    const { gate, lines } = open({ policy: NOBODY_MAY });
    await outcomeOf(() => gate.identify(request(BASIC), required));
    await outcomeOf(() => gate.admit(requiredAccess({ kind: 'blob-get', repo, digest }), caller(USER), request(BASIC)));
    expect(lines.map(({ fields }) => fields)).toEqual([
      { requestId: 'request-1', client: '192.0.2.1', reason: 'wrong password' },
      {
        requestId: 'request-1',
        client: '192.0.2.1',
        actor: 'anonymous',
        action: 'pull',
        repository: repo,
        nearestRule: 7,
      },
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });
});

describe('a challenge', () => {
  test('is one, Bearer, and names realm, service, scope and error', () => {
    const service = open().gate.tokenService('192.0.2.1', request().request);
    expect(renderChallenge({ scope: PUSH, error: 'invalid_token' }, service)).toBe(
      `Bearer realm="https://r.example/token",service="r.example",scope="${PUSH}",error="invalid_token"`,
    );
    expect(renderChallenge({ scope: undefined, error: undefined }, service)).toBe(
      'Bearer realm="https://r.example/token",service="r.example"',
    );
  });

  test('escapes what would end a quoted string', () => {
    const service = { realm: 'https://idp.example/"a"', service: 'a\\b' };
    expect(renderChallenge({ scope: undefined, error: undefined }, service)).toBe(
      'Bearer realm="https://idp.example/\\"a\\"",service="a\\\\b"',
    );
  });

  test('has a relative realm if there is no trusted host', () => {
    const { gate } = open();
    expect(gate.tokenService(undefined, { headers: new Headers(), url: '/v2/' } as Request)).toEqual({
      realm: '/token',
      service: 'registry',
    });
  });
});

test('the actions that the gate checks are those of the policy', async () => {
  const asked: Action[] = [];
  const policy: AccessPolicy = { ...openAccess, allows: (_, action) => asked.push(action) > 0 };
  const { gate } = open({ policy });
  for (const [, [route]] of rows) gate.admit(requiredAccess(route), caller(USER), request());
  expect([...new Set(asked)].sort()).toEqual(['create', 'delete', 'pull']);
});
