import { z } from 'zod';
import { parseRepositoryName, type RepositoryName } from '../../oci/names.ts';
import type { Action } from '../authority.ts';
import type { Identity } from '../identity.ts';
import { type Granted, type RepositoryGrant, scopeWord } from './grant.ts';

/** Identities that this registry issues tokens to. */
export type TokenIdentity = Extract<Identity, { kind: 'anonymous' | 'user' | 'robot' | 'oidc' | 'certificate' }>;

/** An identity with a password. */
export type Account = Extract<Identity, { kind: 'user' | 'robot' }>;

/** The identity that a token is for, and for accounts the version of the password with which it was obtained. */
export interface BoundIdentity {
  readonly identity: TokenIdentity;
  readonly version: string | undefined;
}

const name = z.string().max(4_096);
const identity = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('anonymous') }),
  z.strictObject({ kind: z.literal('user'), name }),
  z.strictObject({ kind: z.literal('robot'), name }),
  z.strictObject({ kind: z.literal('oidc'), issuer: name, subject: name, claims: z.record(z.string(), z.unknown()) }),
  z.strictObject({ kind: z.literal('certificate'), commonName: name }),
]);

const bound = { identity, version: z.string().optional() };

const repositoryName = z.string().transform((text, context): RepositoryName => {
  const parsed = parseRepositoryName(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'no name of a repository' });
  return z.NEVER;
});

/** An entry of distribution's claim `access` (spec/auth/jwt.md). */
const entry = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('repository'),
    name: repositoryName,
    actions: z.array(z.enum(['pull', 'push', 'delete'])),
  }),
  z.strictObject({
    type: z.literal('registry'),
    name: z.enum(['catalog', 'metrics', 'admin']),
    actions: z.tuple([z.literal('*')]),
  }),
]);

const accessClaims = z.object({
  access: z.array(entry),
  /** `create`: indexes of the entries of `access` in which `push` means `create`. */
  marina: z.strictObject({ ...bound, create: z.array(z.number()).optional() }),
});
type AccessClaims = z.input<typeof accessClaims>;

const refreshClaims = z.object({ marina: z.strictObject(bound) });
type RefreshClaims = z.input<typeof refreshClaims>;

export function accessClaimsOf(granted: Granted, who: BoundIdentity): AccessClaims {
  const { repositories, registry } = granted;
  const create = repositories.flatMap(({ actions }, at) => (actions.includes('create') ? [at] : []));
  return {
    access: [
      ...repositories.map(({ repo, actions }) => ({
        type: 'repository' as const,
        name: repo,
        actions: actions.map(scopeWord),
      })),
      ...registry.map((action) => ({ type: 'registry' as const, name: action, actions: ['*'] as ['*'] })),
    ],
    marina: { ...boundClaims(who), ...(create.length > 0 ? { create } : {}) },
  };
}

export function refreshClaimsOf(who: BoundIdentity): RefreshClaims {
  return { marina: boundClaims(who) };
}

/** @returns undefined if the claims are not such as ours */
export function readAccessClaims(payload: unknown): (BoundIdentity & { readonly granted: Granted }) | undefined {
  const { data } = accessClaims.safeParse(payload);
  if (data === undefined) return undefined;
  const create = new Set(data.marina.create);
  const repositories = data.access.flatMap((each, at): RepositoryGrant[] => {
    if (each.type !== 'repository') return [];
    const actions = each.actions.map((action): Action => (action === 'push' && create.has(at) ? 'create' : action));
    return [{ repo: each.name, actions }];
  });
  const registry = data.access.flatMap((each) => (each.type === 'registry' ? [each.name] : []));
  return { ...readBound(data), granted: { repositories, registry } };
}

/** @returns undefined if the claims are not such as ours */
export function readRefreshClaims(payload: unknown): BoundIdentity | undefined {
  const { data } = refreshClaims.safeParse(payload);
  return data === undefined ? undefined : readBound(data);
}

function boundClaims({ identity, version }: BoundIdentity): RefreshClaims['marina'] {
  return { identity, ...(version === undefined ? {} : { version }) };
}

function readBound({ marina: { identity, version } }: z.output<typeof refreshClaims>): BoundIdentity {
  return { identity, version };
}
