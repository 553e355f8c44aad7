import { readFileSync } from 'node:fs';
import { type Config, ConfigError } from '../config.ts';
import type { RetentionPolicy } from '../retention/policy.ts';
import { PolicyError, parsePolicy } from '../retention/policy-file.ts';

/**
 * What RETENTION_FILE says; undefined where it is not set.
 * @throws ConfigError in one line, with the place in the file
 */
export function openPolicy({ retentionFile }: Pick<Config, 'retentionFile'>): RetentionPolicy | undefined {
  if (retentionFile === undefined) return undefined;
  try {
    return parsePolicy(readFileSync(retentionFile, 'utf8'));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why = error instanceof PolicyError ? error.message : `it cannot be read: ${error.message}`;
    throw new ConfigError(`RETENTION_FILE=${retentionFile} cannot be used: ${why}`);
  }
}
