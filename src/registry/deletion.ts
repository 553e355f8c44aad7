import { RegistryError } from '../oci/errors.ts';
import type { RegistryPorts } from './ports.ts';

/**
 * Every way for a client to delete content begins here. "Registries MAY implement deletion or they MAY disable it", and one
 * that did "MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`" (said of tags; manifests and blobs alike).
 * Cancelling an upload deletes no content.
 * @throws RegistryError `delete-disabled`
 */
export function requireDeletes({ deletes }: Pick<RegistryPorts, 'deletes'>): void {
  if (!deletes) throw new RegistryError('delete-disabled', 'deleting is disabled here (DELETE_ENABLED)');
}
