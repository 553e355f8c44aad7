import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { TextPattern } from './text-pattern.ts';

/** Whose OIDC tokens are accepted. */
export interface Issuer {
  /** How rules and actors call it. */
  readonly name: string;
  /** The `iss` of its tokens, exactly. */
  readonly issuer: string;
  /** What the `aud` of its tokens must be or contain. */
  readonly audience: string;
  /** Where its keys are. */
  readonly jwks: JwksSource;
}

export type JwksSource =
  /** `jwks_uri` of `<issuer>/.well-known/openid-configuration`. */
  | { readonly kind: 'discover' }
  | { readonly kind: 'url'; readonly url: string }
  /** Absolute path. */
  | { readonly kind: 'file'; readonly path: string };

const URL_FORM = 'an https URL without credentials is expected (http to a loopback address only)';

/** One entry of `issuers`. */
export const issuerShape = z.strictObject({
  name: z
    .string('a name is expected')
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name of 1 to 64 letters, digits and "._-" is expected'),
  issuer: z.string(URL_FORM).refine((text) => isSafeUrl(text) && !/[?#]/.test(text), URL_FORM),
  audience: z
    .string('the audience of its tokens is expected: a text')
    .refine((text) => TextPattern.problemOf(text) === undefined, 'the audience of its tokens is expected: a text'),
  jwks: z
    .string('discover, an https URL or the path of a file is expected')
    .transform((text, context): JwksSource => {
      if (text === 'discover') return { kind: 'discover' };
      if (!text.includes('://') && isAbsolute(text)) return { kind: 'file', path: text };
      if (isSafeUrl(text)) return { kind: 'url', url: text };
      context.addIssue({ code: 'custom', message: `discover, an absolute path or a URL is expected; ${URL_FORM}` });
      return z.NEVER;
    })
    .default({ kind: 'discover' }),
});

/** Whether keys may be fetched from a URL: over plain http they could be anyone's. */
function isSafeUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s]+$/.test(text) || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '' || hash !== '') return false;
  return protocol === 'https:' || isLoopback(hostname);
}

/**
 * Whether the keys of an issuer may be at the address that it says itself. Only one on this machine may send us to plain http, and so
 * to a service of this machine that nobody else reaches.
 */
export function isKeysAddress(text: string, issuer: string): boolean {
  return isSafeUrl(text) && (text.startsWith('https:') || issuer.startsWith('http:'));
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
