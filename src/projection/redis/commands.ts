/** One Lua script: `source` begins with `#!lua`, and `sha` names it once the server knows it. */
export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha: string;
}

/** A script's reply: Lua's nil and false are null, numbers are integers. */
export type Reply = string | number | null | readonly Reply[];

/**
 * The only operation that the protocols need from Redis: run a script on the server that holds the keys, which share one hash tag.
 * Calls without an await between them are pipelined.
 */
export interface RedisCommands {
  /** @throws RedisGone if there was no answer, so that the script may or may not have run; ScriptFailed */
  evaluate(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply>;
}

/**
 * A script failed because its keys have values that the scripts never write: another program wrote them. The caller discards and
 * rebuilds them. Changes that the script made before it failed persist.
 */
export class ScriptFailed extends Error {
  override readonly name = 'ScriptFailed';
}

/** Redis did not answer by the deadline, or cannot serve now: it is down, full, a replica, or electing a master. */
export class RedisGone extends Error {
  override readonly name = 'RedisGone';
}
