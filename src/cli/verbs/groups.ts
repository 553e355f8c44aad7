import type { Command } from 'commander';

interface Group {
  readonly verbs: readonly string[];
  readonly load: () => Promise<{ readonly addVerbs: (marina: Command) => void }>;
}

/** All verbs, by the modules that add them, in the order of the help. */
export const GROUPS: readonly Group[] = [
  { verbs: ['log', 'history', 'audit', 'diff'], load: () => import('./history.ts') },
  { verbs: ['fsck', 'jobs', 'gc', 'retention', 'read-only'], load: () => import('./upkeep.ts') },
  { verbs: ['rm', 'restore', 'tag'], load: () => import('./undo.ts') },
  { verbs: ['import', 'export', 'load'], load: () => import('./transfers.ts') },
  { verbs: ['pin', 'pins', 'unpin'], load: () => import('./pins.ts') },
  { verbs: ['backup'], load: () => import('./backup.ts') },
  { verbs: ['replica'], load: () => import('./replica.ts') },
  { verbs: ['webhooks'], load: () => import('./webhooks.ts') },
  { verbs: ['user', 'robot', 'access', 'token-key'], load: () => import('./accounts.ts') },
];

/**
 * Adds the verb that a command line begins with. Loading the code of all verbs takes longer than most verbs, so that is only done for the help,
 * and for a verb that does not exist, because the message suggests another one.
 * @param first the first argument
 */
export async function addVerbsFor(marina: Command, first: string | undefined): Promise<void> {
  const own = GROUPS.filter(({ verbs }) => first !== undefined && verbs.includes(first));
  for (const { load } of own.length > 0 ? own : GROUPS) (await load()).addVerbs(marina);
}
