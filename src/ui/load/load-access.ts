import type {
  AccessDescription,
  AccessDesk,
  AccountSummary,
  Explained,
  RobotSummary,
} from '../../access/admin/interface.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { AccessQuery } from '../addresses.ts';
import { isAction } from '../models/action-names.ts';
import type { Refusal } from './actions.ts';

/** Entries of a list; what follows is counted, and found by its name. */
export const MAX_LISTED = 100;

export interface Listed<Item> {
  readonly items: readonly Item[];
  /** How many match. */
  readonly count: number;
}

export interface AccessData {
  readonly description: AccessDescription;
  readonly accounts: Listed<AccountSummary> | undefined;
  readonly robots: Listed<RobotSummary>;
  /** Why no robot can be changed; undefined if they can. */
  readonly changesRefused: Refusal;
  /** What was asked; undefined if nothing was. */
  readonly answer: AccessExplanation | undefined;
}

export type AccessExplanation =
  | { readonly kind: 'explained'; readonly explained: Explained }
  /** @property problem a message of a RegistryError */
  | { readonly kind: 'refused'; readonly problem: string };

/** @throws RegistryError of the robots' log */
export async function loadAccess(query: AccessQuery, desk: AccessDesk): Promise<AccessData> {
  const description = desk.describe();
  const { accounts } = description;
  return {
    description,
    accounts: accounts === undefined ? undefined : listed(accounts, query.q),
    robots: listed(await desk.robots(), query.q),
    changesRefused: desk.changesRefused(),
    answer: query.who === '' ? undefined : explain(query, desk),
  };
}

function listed<Item extends { readonly name: string }>(all: readonly Item[], q: string): Listed<Item> {
  const found = q === '' ? all : all.filter(({ name }) => name.toLowerCase().includes(q.toLowerCase()));
  return { items: found.slice(0, MAX_LISTED), count: found.length };
}

function explain({ who, repository, action, claims }: AccessQuery, desk: AccessDesk): AccessExplanation {
  try {
    const wanted = isAction(action) ? action : undefined;
    const lines = claims.split('\n').map((line) => line.trim());
    const written = lines.filter((line) => line !== '');
    return { kind: 'explained', explained: desk.explain({ who, repository, action: wanted, claims: written }) };
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return { kind: 'refused', problem: error.message };
  }
}
