import { z } from 'zod';
import { readBoundedFile } from '../bounded-file.ts';
import { type Issuer, isIssuerAddress } from '../rules/issuer.ts';
import { readDiscovery } from './discovery.ts';
import { fetchJson, MAX_JSON_BYTES } from './fetch-json.ts';
import { IssuerProblem } from './issuer-problem.ts';
import { type KeySet, parseKeySet } from './key-set.ts';

/**
 * Loads the keys of an issuer from the source that ACCESS_FILE names.
 * @param signal aborts all requests of the load
 * @throws IssuerProblem
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
  if (typeof bytes === 'string') throw new IssuerProblem(`${path} cannot be used: ${bytes}`);
  try {
    return parseKeySet(JSON.parse(bytes.toString()), path);
  } catch (error) {
    throw error instanceof IssuerProblem ? error : new IssuerProblem(`${path} is not JSON`, { cause: error });
  }
}

const metadata = z.object({ jwks_uri: z.string() });

/** @returns the address of the keys */
async function discover(issuer: string, signal: AbortSignal): Promise<string> {
  const { url, document } = await readDiscovery(issuer, signal);
  const { data } = metadata.safeParse(document);
  if (data === undefined) throw new IssuerProblem(`${url} has no jwks_uri`);
  const { jwks_uri: keys } = data;
  if (!isIssuerAddress(keys, issuer)) throw new IssuerProblem(`the jwks_uri in ${url} is not an https URL`);
  return keys;
}
