import { RegistryError } from '../oci/errors.ts';
import type { Registry } from '../registry/interface.ts';
import { Forwarding } from './forwarding.ts';

/**
 * Refuses every DELETE of content (DELETE_ENABLED=false). "Registries MAY implement deletion or they MAY disable it". If it is
 * disabled, the registry "MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`". Cancelling an upload is still
 * allowed, because it deletes no content.
 */
export class DeletesDisabled extends Forwarding {
  override deleteBlob(): Promise<void> {
    return Promise.reject(disabled());
  }

  override deleteManifest(): Promise<void> {
    return Promise.reject(disabled());
  }

  override deleteTag(): Promise<void> {
    return Promise.reject(disabled());
  }

  override refusalOf(...call: Parameters<Registry['refusalOf']>): RegistryError | undefined {
    const [write] = call;
    return write === 'delete' ? disabled() : this.inner.refusalOf(...call);
  }
}

function disabled(): RegistryError {
  return new RegistryError('delete-disabled', 'deleting is disabled here (DELETE_ENABLED)');
}
