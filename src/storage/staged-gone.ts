import { RegistryError } from '../oci/errors.ts';

/** The bytes that a session counts on became a blob before a kill, or were lost: there is nothing to write behind. */
export function stagedGone(): RegistryError {
  return new RegistryError('upload-unknown', 'the bytes of this upload are not there to go on from: begin it again');
}
