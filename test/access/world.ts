// A registry with accounts and rules, and all kinds of callers.
import { createPrivateKey, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT } from 'jose';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { secret } from '../support/secrets.ts';
import { temporaryFolder } from '../support/server.ts';

/** Accounts with rights on ours/**, and these rights. `admin` may do everything everywhere. */
const RIGHTS = {
  reader: ['pull'],
  creator: ['pull', 'create'],
  pusher: ['pull', 'push'],
  deleter: ['pull', 'delete'],
  admin: ['pull', 'push', 'delete'],
  /** An account with rights only on another folder. */
  outsider: [],
} as const;

export type Account = keyof typeof RIGHTS;
export type Right = 'pull' | 'create' | 'push' | 'delete';

export const ACCOUNTS = Object.keys(RIGHTS) as Account[];

/** Whether the account may do this in a repository for which it has any rule. */
export function has(account: Account, right: Right): boolean {
  const rights: readonly Right[] = RIGHTS[account];
  return rights.includes(right) || (right === 'create' && rights.includes('push'));
}

export const passwordOf = (account: string): string => secret(`secret of ${account}`);

const RULES = `
rules:
  - { who: reader, repositories: ['ours/**'], actions: [pull] }
  - { who: creator, repositories: ['ours/**'], actions: [pull, create] }
  - { who: pusher, repositories: ['ours/**'], actions: [pull, push] }
  - { who: deleter, repositories: ['ours/**'], actions: [pull, delete] }
  - { who: outsider, repositories: ['elsewhere'], actions: [pull, push, delete] }
  - { who: admin, repositories: ['**'], actions: [pull, push, delete, catalog, metrics, admin] }
  - { who: anonymous, repositories: ['free/**'], actions: [pull] }
`;

/** The registry's only name. */
export const PUBLIC_HOST = 'registry.example';

export interface AccessFiles {
  /** Settings of every process of the registry. */
  readonly env: Readonly<Record<string, string>>;
  readonly htpasswd: string;
  readonly rules: string;
  /** PEM. */
  readonly key: string;
}

/** Writes the files. @param rules of ACCESS_FILE; without rules every account may do everything */
export function writeAccessFiles(rules: string | undefined = RULES): AccessFiles {
  const folder = temporaryFolder('access');
  const [htpasswd, access, keyFile] = ['htpasswd', 'access.yaml', 'key.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const lines = ACCOUNTS.map((account) => `${account}:${Bun.password.hashSync(passwordOf(account), BCRYPT)}\n`);
  const key = makeTokenKey();
  writeFileSync(htpasswd, lines.join(''));
  writeFileSync(keyFile, key, { mode: 0o600 });
  if (rules !== undefined) writeFileSync(access, rules);
  const env = {
    HTPASSWD_FILE: htpasswd,
    TOKEN_KEY_FILE: keyFile,
    // Each request of a test can come from a different address, so that the limits on guessing do not apply.
    TRUST_PROXY: 'loopback',
    // Realm and service are always these, however a test reaches the registry.
    PUBLIC_HOSTS: PUBLIC_HOST,
    ...(rules === undefined ? {} : { ACCESS_FILE: access }),
  };
  return { env, htpasswd, rules: access, key };
}

/** The cheapest: what is tested here is not the hash. */
const BCRYPT = { algorithm: 'bcrypt', cost: 4 } as const;

export function basic(account: string, password = passwordOf(account)): string {
  return `Basic ${Buffer.from(`${account}:${password}`).toString('base64')}`;
}

let addresses = 0;

/** Headers that make the request come from an address that no other request has. */
export function fromNewAddress(): Readonly<Record<string, string>> {
  addresses++;
  return { 'x-forwarded-for': `10.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}` };
}

/** A token of /token. @param authorization undefined: without credentials */
export async function tokenFor(
  registry: { readonly url: string },
  authorization: string | undefined,
  ...scopes: readonly string[]
): Promise<string> {
  const target = new URL('/token', registry.url);
  target.searchParams.set('service', PUBLIC_HOST);
  for (const scope of scopes) target.searchParams.append('scope', scope);
  const headers = { ...fromNewAddress(), ...(authorization === undefined ? {} : { authorization }) };
  const response = await fetch(target, { headers });
  const body: unknown = await response.json();
  if (typeof body === 'object' && body !== null && 'token' in body && typeof body.token === 'string') return body.token;
  throw new Error(`GET ${target}: ${response.status} ${JSON.stringify(body)}`);
}

/** The token with other claims, signed again. @param key PEM; with the registry's key, the registry accepts the signature */
export async function forged(token: string, key: string, changed: JWTPayload): Promise<string> {
  const header = decodeProtectedHeader(token);
  const claims = { ...decodeJwt(token), jti: randomUUID(), ...changed };
  return await new SignJWT(claims)
    .setProtectedHeader({ ...header, alg: header.alg ?? 'ES256' })
    .sign(createPrivateKey(key));
}
