import { RETENTION } from '../access/identity.ts';
import { paced } from '../collection/pace.ts';
import { markedRepositories } from '../collection/scan.ts';
import { accept, type Decision } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { catchUp, foldLog, READ_AHEAD } from '../journal/log.ts';
import type { RepositoryFacts } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';
import type { StoreReader } from '../storage/driver.ts';
import { Matches } from './matches.ts';
import { type PlanTimes, type PulledAt, planFor, type Removal } from './plan.ts';
import type { RetentionPolicy, Rule } from './policy.ts';
import type { RetentionReport } from './report.ts';

/** The ports for planning, which writes nothing. */
export interface PlanPorts {
  readonly driver: StoreReader;
  readonly policy: RetentionPolicy;
  /** When the tags of a repository were last pulled. */
  readonly pulls: (repo: RepositoryName) => PulledAt;
  /** Gives way to requests; awaited between small pieces of work. */
  readonly yieldToRequests: () => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

export interface RetainPorts extends PlanPorts {
  readonly projection: Pick<Projection, 'submit'>;
  /**
   * The state of a repository if this process already has it in memory. During a decision in this process it is the state that the
   * decision is made on.
   */
  readonly resident: (repo: RepositoryName) => RepositoryState | undefined;
  /** Called with each repository once its rule was applied. */
  readonly onApplied?: (applied: Looked) => void;
  /** Called for each repository from which something was deleted. */
  readonly onRemoved?: (removed: Removed) => void;
}

/** A repository, and what decides what its rule keeps. */
export interface Looked {
  readonly repo: RepositoryName;
  readonly rule: Rule;
  /** It must not be modified, nor kept. */
  readonly state: RepositoryState;
  readonly matches: Matches;
  readonly times: PlanTimes;
}

/** The progress of a run, in repositories with a rule that deletes. */
export interface RetentionProgress {
  readonly done: number;
  /** Counted at the start; there may be more by now. */
  readonly total: number;
  readonly repository: string;
}

export interface Removed {
  readonly repo: RepositoryName;
  readonly rule: string;
  tags: number;
  manifests: number;
  bytes: number;
}

/** Deletions in one command. */
const DELETE_BATCH = 200;
/** Consecutive commands that may come too late before the rest is left to the next run. */
const MAX_ATTEMPTS = 50;

/** Whether the rule deletes anything. */
export function removesAnything(rule: Rule | undefined): rule is Rule {
  return rule?.keep !== undefined || rule?.deleteUntagged !== undefined;
}

/** What would be deleted now, repository by repository. @throws RegistryError `log-broken` */
export async function* planAll(
  ports: PlanPorts,
): AsyncGenerator<{ readonly repo: RepositoryName; readonly rule: Rule; readonly removals: readonly Removal[] }> {
  for await (const { repo, rule, state, matches, times } of lookAtAll(ports)) {
    yield { repo, rule, removals: planFor(state, rule, matches, times) };
  }
}

/** The repositories with a rule that deletes, one after another. Each is folded, unless it is in memory. @throws RegistryError `log-broken` */
export async function* lookAtAll(
  ports: PlanPorts & Partial<Pick<RetainPorts, 'resident'>>,
  signal?: AbortSignal,
): AsyncGenerator<Looked> {
  const reader = paced(ports.driver, ports.yieldToRequests);
  for await (const repo of markedRepositories(ports.driver)) {
    signal?.throwIfAborted();
    const rule = ports.policy.ruleFor(repo);
    if (!removesAnything(rule)) continue;
    const state = ports.resident?.(repo) ?? (await foldLog(reader, repo)).state;
    const matches = new Matches(rule);
    await matches.prepare([...state.tags.keys()], ports.yieldToRequests);
    yield { repo, rule, state, matches, times: { now: ports.now(), pulledAt: ports.pulls(repo) } };
  }
}

/**
 * Deletes what the rules no longer keep, repository by repository. It may be stopped at any point, and any number of processes may
 * run it at once: each command is decided on the current state, so a run continues where another one stopped.
 */
export async function retain(
  ports: RetainPorts,
  signal: AbortSignal,
  onProgress: (progress: RetentionProgress) => void = () => {},
): Promise<RetentionReport> {
  const startedAt = ports.now();
  const expected = await countRuled(ports, signal);
  const total = { repositories: 0, tags: 0, manifests: 0, bytes: 0, failures: 0 };
  let failed: string | undefined;
  for await (const repo of markedRepositories(ports.driver)) {
    signal.throwIfAborted();
    const rule = ports.policy.ruleFor(repo);
    if (!removesAnything(rule)) continue;
    const { repositories: done } = total;
    onProgress({ done, total: Math.max(expected, done), repository: repo });
    total.repositories++;
    const removed: Removed = { repo, rule: rule.name, tags: 0, manifests: 0, bytes: 0 };
    try {
      const repository = new RepositoryRetention(rule, removed, ports);
      await repository.run(signal);
      ports.onApplied?.(await repository.look());
    } catch (error) {
      signal.throwIfAborted();
      // One failed repository must not stop the others.
      total.failures++;
      failed ??= `${repo}: ${error instanceof Error ? error.message : String(error)}`;
    }
    for (const what of ['tags', 'manifests', 'bytes'] as const) total[what] += removed[what];
    if (removed.tags + removed.manifests > 0) ports.onRemoved?.(removed);
  }
  return { startedAt, finishedAt: ports.now(), ...total, ...(failed === undefined ? {} : { failed }) };
}

/** The total for the progress. Listing the names is cheap compared with reading their logs. */
async function countRuled({ driver, policy, yieldToRequests }: RetainPorts, signal: AbortSignal): Promise<number> {
  let count = 0;
  for await (const repo of markedRepositories(driver)) {
    signal.throwIfAborted();
    if (removesAnything(policy.ruleFor(repo))) count++;
    await yieldToRequests();
  }
  return count;
}

/** A plan and the state it was made for. */
interface Current {
  readonly state: RepositoryState;
  readonly puts: number;
  readonly removals: readonly Removal[];
  /** The number of removals that are done. */
  done: number;
}

/** The outcome of a command. */
type Step =
  /** Other writes came first: in the same slot, or so that a new plan was needed. */
  | { readonly kind: 'again' }
  | { readonly kind: 'done'; readonly plan: Current; readonly until: number; readonly written: readonly Removal[] };

/** Applies a rule to one repository. */
class RepositoryRetention {
  readonly #rule: Rule;
  readonly #removed: Removed;
  readonly #ports: RetainPorts;
  readonly #matches: Matches;
  #own: RepositoryState | undefined;
  #plan: Current | undefined;

  constructor(rule: Rule, removed: Removed, ports: RetainPorts) {
    this.#rule = rule;
    this.#removed = removed;
    this.#ports = ports;
    this.#matches = new Matches(rule);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { projection, yieldToRequests } = this.#ports;
    const { repo } = this.#removed;
    const state = await this.#latest();
    await this.#matches.prepare([...state.tags.keys()], yieldToRequests);
    this.#plan = this.#planOf(state);
    for (let again = 0; this.#plan.done < this.#plan.removals.length; ) {
      signal.throwIfAborted();
      const manifests = manifestsOf(this.#plan.removals.slice(this.#plan.done, this.#plan.done + DELETE_BATCH));
      const declared = new Set(manifests);
      const step = await projection.submit(repo, {
        needs: { manifests },
        decide: (facts) => this.#decide(facts, declared),
      });
      if (step.kind === 'again') {
        again++;
        if (again === MAX_ATTEMPTS) throw new RegistryError('unavailable', 'too many concurrent writes');
      } else {
        again = 0;
        step.plan.done = step.until;
        this.#count(step.written);
      }
      await yieldToRequests();
    }
  }

  async look(): Promise<Looked> {
    const state = await this.#latest();
    return { repo: this.#removed.repo, rule: this.#rule, state, matches: this.#matches, times: this.#times() };
  }

  /**
   * Decides on the current state, so a push meanwhile wins: after a push the plan is recomputed.
   * @param declared the manifests that this command may delete; the view has facts about these only
   */
  async #decide(facts: RepositoryFacts, declared: ReadonlySet<Digest>): Promise<Decision<Step>> {
    if (facts.isAhead) return accept({ kind: 'again' });
    // At least as new as the facts. If it is newer, the next slot is taken, and the decision is repeated.
    const state = await this.#latest();
    if (this.#plan?.state !== state || this.#plan.puts !== state.puts) this.#plan = this.#planOf(state);
    const plan = this.#plan;
    const written: Removal[] = [];
    let until = plan.done;
    for (; until < plan.removals.length && written.length < DELETE_BATCH; until++) {
      const removal = plan.removals[until];
      if (removal === undefined || !isStillDue(removal, state)) continue;
      if (removal.kind === 'manifest' && !declared.has(removal.digest)) break;
      written.push(removal);
    }
    if (until === plan.done && until < plan.removals.length) return accept({ kind: 'again' });
    return accept({ kind: 'done', plan, until, written }, ...written.map(eventOf));
  }

  #planOf(state: RepositoryState): Current {
    const removals = planFor(state, this.#rule, this.#matches, this.#times());
    return { state, puts: state.puts, removals, done: 0 };
  }

  #times(): PlanTimes {
    const { now, pulls } = this.#ports;
    return { now: now(), pulledAt: pulls(this.#removed.repo) };
  }

  async #latest(): Promise<RepositoryState> {
    const { driver, resident, yieldToRequests } = this.#ports;
    const { repo } = this.#removed;
    const kept = resident(repo);
    if (kept !== undefined) return kept;
    if (this.#own === undefined) this.#own = (await foldLog(paced(driver, yieldToRequests), repo, READ_AHEAD)).state;
    else await catchUp(driver, repo, this.#own, READ_AHEAD);
    return this.#own;
  }

  #count(written: readonly Removal[]): void {
    for (const removal of written) {
      if (removal.kind === 'tag') this.#removed.tags++;
      else {
        this.#removed.manifests++;
        this.#removed.bytes += removal.bytes;
      }
    }
  }
}

function manifestsOf(removals: readonly Removal[]): Digest[] {
  return removals.flatMap((each) => (each.kind === 'manifest' ? [each.digest] : []));
}

/** Whether the removal still applies: a client may have deleted or replaced the content in the meantime. */
function isStillDue(removal: Removal, state: RepositoryState): boolean {
  if (removal.kind === 'tag') return state.tag(removal.tag) === removal.digest;
  return state.manifest(removal.digest)?.inc === removal.inc;
}

function eventOf(removal: Removal): JournalEvent {
  if (removal.kind === 'tag') return { type: 'tag.deleted', tag: removal.tag, prev: removal.digest, actor: RETENTION };
  return { type: 'manifest.deleted', digest: removal.digest, inc: removal.inc, actor: RETENTION };
}
