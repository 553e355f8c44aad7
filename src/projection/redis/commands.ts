/** One Lua script: `source` begins with `#!lua`, and `sha` names it once the server knows it. */
export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha: string;
}

/** What a script answers: Lua's nil and false are null, its numbers are whole. */
export type Reply = string | number | null | readonly Reply[];

/**
 * All that the protocols ask of Redis: to run a script on whichever server holds the keys, each of which shares one slot tag.
 * Calls that are made one after another without a wait are sent together.
 */
export interface RedisCommands {
  /** @throws RedisGone when no answer came: the script may or may not have run; ScriptFailed */
  evaluate(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply>;
}

/**
 * A script did not run to its end: what it found under its keys is nothing that the scripts write, somebody else did. Whoever
 * asked throws that away and makes it anew; what the script itself changed until then may be there.
 */
export class ScriptFailed extends Error {
  override readonly name = 'ScriptFailed';
}

/** Redis did not answer in time, or cannot now: it may be down, full, a replica, or electing a master. */
export class RedisGone extends Error {
  override readonly name = 'RedisGone';
}
