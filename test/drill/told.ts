import type { Recorded, TagOperation } from '../support/linearizability.ts';

/** Adds what a response told a client about a tag. */
export type Tell = (repository: string, tag: string, operation: TagOperation) => void;

/** What responses told clients about tags, for a checker that knows nothing of the drill. */
export class Told {
  readonly recorded: Recorded[] = [];
  #requests = 0;

  /** To be called before a request is sent. */
  begin(): Tell {
    const client = this.#requests++;
    const call = now();
    return (repository, tag, operation) => {
      this.recorded.push({ key: `${repository}:${tag}`, client, call, return: now(), operation });
    };
  }
}

/** Microseconds. */
function now(): number {
  return Math.round(performance.now() * 1_000);
}
