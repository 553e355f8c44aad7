import { RegistryError } from '../oci/errors.ts';

/**
 * The staged bytes of a session are gone: they became a blob before a kill, or were lost. There is nothing to append
 * to.
 */
export function stagedGone(): RegistryError {
  return new RegistryError('upload-unknown', 'the bytes of this upload are not there to go on from: begin it again');
}
