import { z } from 'zod';
import type { Action, Grants } from '../authority.ts';

/** The claim `access` of distribution (spec/auth/jwt.md). Its `class` is ignored, as distribution does. */
const shape = z
  .array(z.object({ type: z.string(), name: z.string(), actions: z.array(z.string()).nullish() }))
  .nullish();

/** The action of distribution for each action of Marina. There is none for `create`. */
const WORDS: Readonly<Record<Action, string>> = { pull: 'pull', push: 'push', create: 'push', delete: 'delete' };

/**
 * What a token of a token server allows. Entries for the same name are merged, and the action `*` means every action.
 * @returns undefined if the claim is malformed
 */
export function readAccess(access: unknown): Grants | undefined {
  const parsed = shape.safeParse(access);
  if (!parsed.success) return undefined;
  const repositories = new Map<string, Set<string>>();
  const registry = new Map<string, Set<string>>();
  for (const { type, name, actions } of parsed.data ?? []) {
    if (type === 'repository') merge(repositories, name, actions ?? []);
    if (type === 'registry') merge(registry, name, actions ?? []);
  }
  return {
    allows: (action, repo) => {
      const actions = repositories.get(repo);
      return actions !== undefined && (actions.has(WORDS[action]) || actions.has('*'));
    },
    allowsRegistry: (action) => registry.get(action)?.has('*') === true,
  };
}

function merge(into: Map<string, Set<string>>, name: string, actions: readonly string[]): void {
  const known = into.get(name) ?? new Set();
  for (const action of actions) known.add(action);
  into.set(name, known);
}
