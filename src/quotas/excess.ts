import type { Resource } from '../access/rules/quota.ts';
import { formatBytes } from '../config/size.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Excess } from './ledger.ts';

/** A `denied` error that gives the used and allowed amounts. */
export function quotaExceeded({ quota, resource, used, added, allowed }: Excess): RegistryError {
  const text = resource === 'bytes' ? formatBytes : String;
  const of = resource === 'bytes' ? '' : ` ${resource}`;
  const more = used < allowed ? `, and this needs ${text(added)} more` : '';
  const message = `quota of ${quota.name}: used ${text(used)} of ${text(allowed)}${of}${more}; ${REMEDIES[resource]}`;
  return new RegistryError('denied', message, { quota: quota.name, resource, used, allowed });
}

const REMEDIES: Readonly<Record<Resource, string>> = {
  bytes: 'delete manifests that are not needed, whose blobs are unlinked some time later, or ask for a larger quota',
  repositories: 'ask the operator to remove one, or for a larger quota',
  tags: 'delete tags that are not needed, or ask for a larger quota',
  slots: 'every push and delete uses one permanently; ask for a larger quota',
};
