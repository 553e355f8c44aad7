import { parseRepositoryName, type RepositoryName } from '../oci/names.ts';
import { type RedisCommands, type Reply, type Script, ScriptFailed } from '../projection/redis/commands.ts';
import { script } from '../projection/redis/script.ts';
import type { News } from './doorbells.ts';
import { type HintBoard, NOTE_EVERY_MS, NOTES_AT_ONCE, type Turn } from './hint-board.ts';
import type { Hints } from './notes/log.ts';
import forget from './scripts/hints-forget.lua' with { type: 'text' };
import look from './scripts/hints-look.lua' with { type: 'text' };
import put from './scripts/hints-put.lua' with { type: 'text' };
import remove from './scripts/hints-remove.lua' with { type: 'text' };
import take from './scripts/hints-take.lua' with { type: 'text' };

const SCRIPTS = {
  put: script('hints-put', put),
  take: script('hints-take', take),
  remove: script('hints-remove', remove),
  look: script('hints-look', look),
  forget: script('hints-forget', forget),
} as const;

/** Hints of one call: no script touches more entries. */
const MAX_HINTS = 1_000;

/**
 * The hints of a cluster, in Redis. They may be lost with it, or be wrong: notes are written only for slots that exist, and sweeps find
 * what no hint says.
 *
 *   {<store>}:hints    hash: repository -> slot
 *   {<store>}:paid     lives for as long as the notes so far are paid for: how often notes are written
 *   {<store>}:noted    the newest note
 */
export class RedisBoard implements HintBoard {
  readonly isShared = true;
  readonly #redis: RedisCommands;
  readonly #hints: string;
  readonly #paid: string;
  readonly #noted: string;

  /** @param store the store's ULID */
  constructor(redis: RedisCommands, store: string) {
    this.#redis = redis;
    [this.#hints, this.#paid, this.#noted] = [`{${store}}:hints`, `{${store}}:paid`, `{${store}}:noted`];
  }

  async put(hints: Hints): Promise<void> {
    for (const args of inParts(hints)) await this.#run(SCRIPTS.put, [this.#hints], args);
  }

  async take(): Promise<Turn> {
    const args = [NOTE_EVERY_MS, NOTES_AT_ONCE, MAX_HINTS];
    const reply = await this.#run(SCRIPTS.take, [this.#hints, this.#paid], args);
    const [kind, ...rest] = textsOf(reply);
    if (kind === 'now') return { kind, hints: hintsOf(rest) };
    if (kind === 'later') return { kind, after: Number(rest[0]) || 0 };
    return { kind: 'nothing' };
  }

  async remove(noted: Hints, newest: number): Promise<void> {
    for (const args of inParts(noted)) {
      await this.#run(SCRIPTS.remove, [this.#hints, this.#noted], [newest, ...args]);
    }
  }

  /** What waiting readers need to know. */
  async look(): Promise<News> {
    const [newest, hints] = textsOf(await this.#run(SCRIPTS.look, [this.#hints, this.#noted], []));
    return { newest: Number(newest) || 0, hasHints: hints === '1' };
  }

  /** @throws RedisGone */
  async #run(wanted: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    try {
      return await this.#redis.evaluate(wanted, keys, args);
    } catch (error) {
      if (!(error instanceof ScriptFailed)) throw error;
      // Another program wrote there. A sweep finds what hints are lost.
      await this.#redis.evaluate(SCRIPTS.forget, [this.#hints, this.#paid, this.#noted], []);
      return await this.#redis.evaluate(wanted, keys, args);
    }
  }
}

function* inParts(hints: Hints): Generator<(string | number)[]> {
  const all = [...hints];
  for (let start = 0; start < all.length; start += MAX_HINTS) yield all.slice(start, start + MAX_HINTS).flat();
}

function textsOf(reply: Reply): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}

/** What is no hint is left out: another program may have written it. */
function hintsOf(texts: readonly string[]): Hints {
  const hints = new Map<RepositoryName, number>();
  for (let index = 0; index + 1 < texts.length; index += 2) {
    const [repo, seq] = [parseRepositoryName(texts[index] ?? ''), Number(texts[index + 1])];
    if (repo !== undefined && Number.isSafeInteger(seq) && seq > 0) hints.set(repo, seq);
  }
  return hints;
}
