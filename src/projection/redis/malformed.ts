import { RedisGone, ScriptFailed } from './commands.ts';

/**
 * A repository's view, or the catalog, has values that the scripts never write: another program wrote them. It is discarded and
 * rebuilt from storage.
 */
export class MalformedView extends Error {
  override readonly name = 'MalformedView';
}

/** Whether the error shows that another program wrote to the keys: the reply was malformed, or the script failed. */
export function isMalformed(error: unknown): error is MalformedView | ScriptFailed {
  return error instanceof MalformedView || error instanceof ScriptFailed;
}

/**
 * For keys that expire, such as leases and turns. If Redis is gone or the key is malformed, it need not be released.
 * @throws every other error
 */
export function ignoreLost(error: unknown): void {
  if (!(error instanceof RedisGone) && !isMalformed(error)) throw error;
}
