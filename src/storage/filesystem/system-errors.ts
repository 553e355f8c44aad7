import { RegistryError } from '../../oci/errors.ts';
import { codeOf } from '../../system/error-code.ts';

export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Whether an error says that there is no space left: errors of the system, and what was made of them. */
export function isFull(error: unknown): boolean {
  if (error instanceof RegistryError) return error.kind === 'storage-full';
  const code = codeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

export function storageFull(cause?: unknown): RegistryError {
  if (cause instanceof RegistryError) return cause;
  return new RegistryError(
    'storage-full',
    'the registry has no room left: free some space or ask its operator',
    undefined,
    cause,
  );
}
