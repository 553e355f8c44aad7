import type { FollowingState } from '../replica/follower.ts';
import type { Logger } from '../telemetry/log.ts';

/** Logs each change of the state once. */
export class ReplicaStatus {
  readonly #logger: Logger;
  #state: FollowingState = { kind: 'starting' };
  #currentAt: number | undefined;
  #wasCurrent = false;
  #missing: number | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get isConnected(): boolean {
    return this.#state.kind === 'following';
  }

  get isCurrent(): boolean {
    return this.#state.kind === 'following' && this.#state.isCurrent && this.#state.missing === 0;
  }

  /** Objects that the source lacks, as last counted; undefined until they are. */
  get missing(): number | undefined {
    return this.#missing;
  }

  get age(): number | undefined {
    if (this.isCurrent) return 0;
    return this.#currentAt === undefined ? undefined : (performance.now() - this.#currentAt) / 1000;
  }

  /** @returns whether it has everything for the first time since the start */
  became(state: FollowingState): boolean {
    const before = this.#state.kind;
    this.#state = state;
    if (state.kind !== before) this.#log(state);
    if (state.kind === 'following' && state.isCurrent) this.#count(state.missing);
    if (!this.isCurrent) return false;
    this.#currentAt = performance.now();
    const isFirst = !this.#wasCurrent;
    this.#wasCurrent = true;
    if (isFirst) this.#logger.info('this replica has everything that its source has');
    return isFirst;
  }

  #count(missing: number): void {
    const before = this.#missing ?? 0;
    this.#missing = missing;
    if (missing > 0 && before === 0)
      this.#logger.warn(
        { missing },
        'logs link objects that the source lacks or has damaged; it is asked again every ten minutes',
      );
    if (missing === 0 && before > 0)
      this.#logger.info('the objects that were missing were copied, or are not linked any more');
  }

  #log(state: FollowingState): void {
    switch (state.kind) {
      case 'starting':
        return;
      case 'following':
        this.#logger.info('this replica follows its source');
        return;
      case 'away':
        this.#logger.warn({ err: state.error }, 'the source of this replica does not answer; it is tried again');
        return;
      case 'failing':
        this.#logger.error({ err: state.error }, 'this replica could not copy from its source; it is tried again');
        return;
      case 'refused':
        this.#logger.error({ err: state.error }, 'this replica does not follow its source: nothing is copied');
        return;
    }
  }
}
