import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { TextPattern } from './text-pattern.ts';

/** An issuer of accepted OIDC tokens. */
export interface Issuer {
  /** Its name in rules and actors. */
  readonly name: string;
  /** The exact `iss` of its tokens. */
  readonly issuer: string;
  /** The `aud` of its tokens must be or contain this. */
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

/** Whether keys may be fetched from a URL. Over plain http anyone on the network could replace them. */
function isSafeUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s]+$/.test(text) || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '' || hash !== '') return false;
  return protocol === 'https:' || isLoopback(hostname);
}

/**
 * Whether an issuer's keys may be fetched from the address that its discovery document gives. Only an issuer on this machine may
 * name a plain http address, because other issuers could otherwise reach local services.
 */
export function isKeysAddress(text: string, issuer: string): boolean {
  return isSafeUrl(text) && (text.startsWith('https:') || issuer.startsWith('http:'));
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
