import type { AnyAction } from '../../access/rules/rule.ts';

/** What each action means to people. */
export const ACTION_NAMES: Readonly<Record<AnyAction, string>> = {
  pull: 'Pull',
  push: 'Push, and move tags',
  create: 'Push new tags',
  delete: 'Delete',
  catalog: 'List repositories',
  metrics: 'Read the metrics',
  admin: 'Administer the registry',
};

export function isAction(text: string): text is AnyAction {
  return Object.hasOwn(ACTION_NAMES, text);
}
