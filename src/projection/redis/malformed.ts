import { ScriptFailed } from './commands.ts';

/**
 * What Redis holds of a repository, or of the catalog, is nothing that the scripts write: somebody else did. It is thrown away and
 * made anew from storage, never believed.
 */
export class MalformedView extends Error {
  override readonly name = 'MalformedView';
}

/** Whether somebody else wrote to the keys that were read: the reply, or that there is none, says so. */
export function isMalformed(error: unknown): error is MalformedView | ScriptFailed {
  return error instanceof MalformedView || error instanceof ScriptFailed;
}
