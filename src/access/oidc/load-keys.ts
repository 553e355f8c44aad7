import { z } from 'zod';
import { readBoundedFile } from '../bounded-file.ts';
import { type Issuer, isKeysAddress } from '../rules/issuer.ts';
import { fetchJson, MAX_JSON_BYTES } from './fetch-json.ts';
import { KeyProblem } from './key-problem.ts';
import { type KeySet, parseKeySet } from './key-set.ts';

const WELL_KNOWN = '/.well-known/openid-configuration';

/**
 * Loads the keys of an issuer from the source that ACCESS_FILE names.
 * @param signal aborts all requests of the load
 * @throws KeyProblem
 */
export async function loadKeys({ issuer, jwks }: Issuer, signal: AbortSignal): Promise<KeySet> {
  switch (jwks.kind) {
    case 'file':
      return await readKeys(jwks.path);
    case 'url':
      return parseKeySet(await fetchJson(jwks.url, signal), jwks.url);
    case 'discover': {
      const url = await discover(issuer, signal);
      return parseKeySet(await fetchJson(url, signal), url);
    }
  }
}

async function readKeys(path: string): Promise<KeySet> {
  const bytes = await readBoundedFile(path, MAX_JSON_BYTES);
  if (typeof bytes === 'string') throw new KeyProblem(`${path} cannot be used: ${bytes}`);
  try {
    return parseKeySet(JSON.parse(bytes.toString()), path);
  } catch (error) {
    throw error instanceof KeyProblem ? error : new KeyProblem(`${path} is not JSON`, { cause: error });
  }
}

const metadata = z.object({ issuer: z.string(), jwks_uri: z.string() });

/** OpenID Connect Discovery 1.0, section 4. @returns the address of the keys */
async function discover(issuer: string, signal: AbortSignal): Promise<string> {
  const url = issuer.replace(/\/$/, '') + WELL_KNOWN;
  const { data } = metadata.safeParse(await fetchJson(url, signal));
  if (data === undefined) throw new KeyProblem(`${url} has no issuer and jwks_uri`);
  // "The issuer value returned MUST be identical to the Issuer URL".
  if (data.issuer !== issuer) throw new KeyProblem(`${url} belongs to another issuer`);
  const { jwks_uri: keys } = data;
  if (!isKeysAddress(keys, issuer)) throw new KeyProblem(`the jwks_uri in ${url} is not an https URL`);
  return keys;
}
