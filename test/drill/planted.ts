// Bugs that a drill of collection has to find, as changes of single files of src/. Nothing in src/ knows of them: a server whose
// environment says so loads those files changed (plant.ts).
import { join } from 'node:path';

interface Planted {
  /** Below src/. */
  readonly file: string;
  /** The piece must be there, or the bug would be none. */
  readonly changes: readonly (readonly [piece: string, instead: string])[];
}

/** Each comes to light within a minute. */
export const PLANTED = {
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
} as const satisfies Record<string, Planted>;

export type PlantedName = keyof typeof PLANTED;

/** Settings of a process with that bug. */
export function planted(name: PlantedName): Readonly<Record<string, string>> {
  return { BUN_OPTIONS: `--preload=${join(import.meta.dir, 'plant.ts')}`, PLANTED_BUG: name };
}
