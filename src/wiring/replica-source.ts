import { readFileSync } from 'node:fs';
import { type Config, ConfigError } from '../config.ts';
import type { Incarnation } from '../oci/names.ts';
import { HttpSource } from '../replica/http-source.ts';
import type { IdentityAnswer } from '../replica/protocol.ts';
import { SourceAway, SourceRefused } from '../replica/source-errors.ts';
import { type NewIdentity, StoreRefused } from '../storage/prepare.ts';
import { within } from '../system/within.ts';

/** How long a start waits for the source, in milliseconds. */
export const START_WITHIN_MS = 10_000;

/** @throws ConfigError in one line, if the settings cannot be used together */
export function openSource(config: Config): HttpSource | undefined {
  const { replicaOf: url, replicaUsername: user, replicaPassword: password, replicaCaFile, readOnly } = config;
  if (url === undefined || url === '') {
    if (user === undefined && password === undefined) return undefined;
    throw new ConfigError('REPLICA_USERNAME and REPLICA_PASSWORD_FILE need REPLICA_OF');
  }
  if ((user === undefined) !== (password === undefined))
    throw new ConfigError('REPLICA_USERNAME and REPLICA_PASSWORD_FILE are set together or not at all');
  if (readOnly)
    throw new ConfigError('READ_ONLY=true cannot be used with REPLICA_OF: a replica refuses writes in any case');
  const login = user === undefined ? undefined : Buffer.from(`${user}:${password ?? ''}`).toString('base64');
  const authorization = login === undefined ? undefined : `Basic ${login}`;
  return new HttpSource({ url, authorization, ca: caOf(replicaCaFile) });
}

function caOf(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // The line below says so.
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new ConfigError(`REPLICA_CA_FILE=${path} cannot be read, or has no certificate in PEM form`);
}

/** What an empty store becomes: a replica of the source, if there is one. */
export function identityFrom(source: HttpSource | undefined, newId: () => Incarnation): NewIdentity | undefined {
  if (source === undefined) return undefined;
  return async () => {
    try {
      const { store, secrets } = await requireAnswer(source);
      return { store, secrets, instance: newId() };
    } catch (error) {
      if (error instanceof SourceAway)
        throw new StoreRefused(`${error.message}: an empty store can become its replica only while it answers`);
      if (error instanceof SourceRefused) throw new StoreRefused(error.message);
      throw error;
    }
  };
}

async function requireAnswer(source: HttpSource): Promise<IdentityAnswer> {
  const found = await within(START_WITHIN_MS, source.identity());
  if (found === undefined) throw new SourceAway(`${source.url} does not answer`);
  return found;
}
