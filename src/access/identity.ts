import { createHash } from 'node:crypto';

/** Claims of a verified OIDC token, as its issuer wrote them. */
export type Claims = Readonly<Record<string, unknown>>;

/**
 * Who acts. The kind follows from the proof of identity, never from text that the caller sent: a user named `robot:ci` is
 * still a user.
 */
export type Identity =
  | { readonly kind: 'anonymous' }
  /** An account of HTPASSWD_FILE. */
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'robot'; readonly name: string }
  /** Subject of a token of an issuer in ACCESS_FILE. `issuer` is its name there, not its URL. */
  | { readonly kind: 'oidc'; readonly issuer: string; readonly subject: string; readonly claims: Claims }
  | { readonly kind: 'certificate'; readonly commonName: string }
  /** Subject of a token of the token server that the AUTH_TOKEN settings name. */
  | { readonly kind: 'token'; readonly subject: string }
  /** Background work of Marina, such as retention. */
  | { readonly kind: 'system'; readonly task: string }
  /** A command on this machine. `uid` is the user that runs it; undefined if the system has no uids. */
  | { readonly kind: 'operator'; readonly uid: number | undefined };

declare const brand: unique symbol;

/**
 * The form of an identity in events, log lines and the `sub` of tokens that Marina issues, such as `user:deployer` or
 * `oidc:github:repo:a/b`. Printable ASCII without spaces, at most 255 characters. It begins with the kind, so no external name can pass
 * for another kind.
 */
export type ActorLabel = string & { readonly [brand]: 'ActorLabel' };

const MAX_CHARACTERS = 255;
const HASH_CHARACTERS = 32;

/** A label that would be too long is truncated and ends in `~` and a hash of the full label. */
export function labelOf(identity: Identity): ActorLabel {
  const whole = textOf(identity);
  if (whole.length <= MAX_CHARACTERS) return whole as ActorLabel;
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, HASH_CHARACTERS);
  return `${whole.slice(0, MAX_CHARACTERS - HASH_CHARACTERS - 1)}~${hash}` as ActorLabel;
}

/** The actors of Marina's background work. */
export const RETENTION = labelOf({ kind: 'system', task: 'retention' });
export const COLLECTION = labelOf({ kind: 'system', task: 'collection' });
/** Renews content that a client asked about, so that it is kept until the client pushes (registry/renewal.ts). */
export const RENEWAL = labelOf({ kind: 'system', task: 'renewal' });

function textOf(identity: Identity): string {
  switch (identity.kind) {
    case 'anonymous':
      return 'anonymous';
    case 'user':
    case 'robot':
      return `${identity.kind}:${printable(identity.name)}`;
    case 'oidc':
      return `oidc:${printable(identity.issuer)}:${printable(identity.subject)}`;
    case 'certificate':
      return `cert:${printable(identity.commonName)}`;
    case 'token':
      return `token:${printable(identity.subject)}`;
    case 'system':
      return `system:${printable(identity.task)}`;
    case 'operator':
      return `operator:${identity.uid ?? 'unknown'}`;
  }
}

/**
 * Printable ASCII without spaces; other characters are percent-encoded. `%` is also encoded, so that different names have different
 * labels. `~` marks a truncated label.
 */
export function printable(name: string): string {
  return name
    .toWellFormed()
    .replace(/[^\x21-\x24\x26-\x7d]/gu, (character) =>
      [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    );
}
