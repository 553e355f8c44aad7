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
  /** The client by which people log in at the page; undefined if they cannot with this issuer. */
  readonly web?: WebClient | undefined;
}

/** Marina as a client of the issuer, as it is registered there. */
export interface WebClient {
  readonly clientId: string;
  /** Absolute path of a file with the client's secret. undefined: a public client, which has none. */
  readonly clientSecretFile?: string | undefined;
  /** What it asks for; `openid` is among them. */
  readonly scopes: readonly string[];
}

export type JwksSource =
  /** `jwks_uri` of `<issuer>/.well-known/openid-configuration`. */
  | { readonly kind: 'discover' }
  | { readonly kind: 'url'; readonly url: string }
  /** Absolute path. */
  | { readonly kind: 'file'; readonly path: string };

const URL_FORM = 'an https URL without credentials is expected (http to a loopback address only)';

const SCOPE_FORM = 'a scope is expected: 1 to 100 printable characters without spaces, quotes and backslashes';
const MAX_SCOPES = 30;

const webClientShape = z
  .strictObject(
    {
      clientId: z
        .string('the id of the client at the issuer is expected: a text')
        .regex(/^[\x21-\x7e]{1,255}$/, 'an id of 1 to 255 printable characters without spaces is expected'),
      clientSecretFile: z
        .string('an absolute path is expected')
        .refine(isAbsolute, 'an absolute path is expected')
        .optional(),
      // The characters of RFC 6749, section 3.3.
      scopes: z
        .array(
          z.string(SCOPE_FORM).regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, SCOPE_FORM),
          'a list of scopes is expected',
        )
        .max(MAX_SCOPES, `at most ${MAX_SCOPES} scopes are expected`)
        .default([]),
    },
    'a client is expected, as {clientId, clientSecretFile, scopes}',
  )
  // "OpenID Connect requests MUST contain the openid scope value".
  .transform(({ scopes, ...client }): WebClient => ({ ...client, scopes: [...new Set(['openid', ...scopes])] }));

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
  web: webClientShape.optional(),
});

/** Whether a URL may be asked for keys. Over plain http anyone on the network could replace them. */
function isSafeUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s]+$/.test(text) || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '' || hash !== '') return false;
  return protocol === 'https:' || isLoopback(hostname);
}

/**
 * Whether requests may go to an address that an issuer's discovery document gives. Only an issuer on this machine may name a plain
 * http address, because other issuers could otherwise reach local services.
 */
export function isIssuerAddress(text: string, issuer: string): boolean {
  return isSafeUrl(text) && (text.startsWith('https:') || issuer.startsWith('http:'));
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
