// Bugs that the collection drill must detect, as changes of single files of src/. src/ contains nothing of them: a server whose
// environment names one loads the changed file (inject-bug.ts).
import { join } from 'node:path';

interface InjectedBug {
  /** Below src/. */
  readonly file: string;
  /** Each piece must occur in the file. */
  readonly changes: readonly (readonly [piece: string, instead: string])[];
}

/** Each is detected within a minute. */
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

export type InjectedBugName = keyof typeof INJECTED_BUGS;

/** The environment of a process with that bug. */
export function withInjectedBug(name: InjectedBugName): Readonly<Record<string, string>> {
  return { BUN_OPTIONS: `--preload=${join(import.meta.dir, 'inject-bug.ts')}`, INJECTED_BUG: name };
}
