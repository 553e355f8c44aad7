import { ScriptFailed } from './commands.ts';

/**
 * A repository's view, or the catalog, has values that the scripts never write: somebody else wrote them. It is discarded and
 * rebuilt from storage.
 */
export class MalformedView extends Error {
  override readonly name = 'MalformedView';
}

/** Whether the error shows that somebody else wrote to the keys: the reply was malformed, or the script failed. */
export function isMalformed(error: unknown): error is MalformedView | ScriptFailed {
  return error instanceof MalformedView || error instanceof ScriptFailed;
}
