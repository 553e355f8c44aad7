// Bugs that tests with real servers must detect, as changes of single files of src/. src/ contains nothing of them: a server whose
// environment names one loads the changed file (inject-bug.ts), in all of its threads.
import { join } from 'node:path';

interface InjectedBug {
  /** Below src/. */
  readonly file: string;
  /** Each piece must occur in the file. */
  readonly changes: readonly (readonly [piece: string, instead: string])[];
}

/** For the collection drill. Each is mostly detected within a minute or two. */
export const INJECTED_BUGS = {
  'a fence spares nothing': {
    file: 'collection/epoch.ts',
    changes: [['spare: (inc: Incarnation) => void spared.add(inc)', 'spare: () => {}']],
  },
  'a blob is unlinked although a manifest refers to it': {
    file: 'collection/unreferenced.ts',
    changes: [
      [' && state.references(digest) === 0', ''],
      [' || facts.references(digest) > 0', ''],
    ],
  },
} as const satisfies Record<string, InjectedBug>;

/** For histories of servers with several threads (test/linearizability/threads.test.ts). */
export const THREAD_BUGS = {
  'a slot is counted after it was acknowledged': {
    file: 'projection/threads/follower.ts',
    changes: [
      [
        'this.#seen = this.#count(this.#seen, state, existed);',
        'setTimeout(() => void (this.#seen = this.#count(this.#seen, state, existed)), 20);',
      ],
    ],
  },
  'a view remembers the count after its look': {
    file: 'projection/threads/follower.ts',
    changes: [
      [
        '    this.#seen = seen;\n    return growth;',
        '    await Bun.sleep(5);\n    this.#seen = this.#head.slots();\n    return growth;',
      ],
    ],
  },
} as const satisfies Record<string, InjectedBug>;

export type InjectedBugName = keyof typeof INJECTED_BUGS;
export type ThreadBugName = keyof typeof THREAD_BUGS;

/** The environment of a process with that bug. */
export function withInjectedBug(name: InjectedBugName | ThreadBugName): Readonly<Record<string, string>> {
  return { BUN_OPTIONS: `--preload=${join(import.meta.dir, 'inject-bug.ts')}`, INJECTED_BUG: name };
}
