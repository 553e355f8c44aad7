import { RegistryError } from '../oci/errors.ts';

/**
 * The staged bytes of a session are gone: they were committed as a blob before a kill, or were lost. There is nothing
 * to append to.
 */
export function stagedGone(): RegistryError {
  return new RegistryError(
    'upload-unknown',
    'the bytes of this upload are gone, so it cannot continue: start a new one',
  );
}
