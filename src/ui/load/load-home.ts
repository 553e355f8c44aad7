import type { Caller } from '../../access/access.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { RepositoryOverview } from '../../past/interface.ts';
import type { Sources } from './sources.ts';

export interface HomeData {
  /** `forbidden`: the visitor may not list repositories. */
  readonly kind: 'listed' | 'forbidden';
  readonly repositories: readonly RepositoryRow[];
  /** `after` of the next page; undefined: there is none. */
  readonly next: string | undefined;
}

export interface RepositoryRow {
  readonly name: RepositoryName;
  /** undefined if they could not be read in time. */
  readonly facts: RepositoryFacts | undefined;
}

interface RepositoryFacts {
  readonly tags: number;
  readonly bytes: number;
  /** Newest change, in milliseconds since 1970. */
  readonly changed: number | undefined;
}

const PAGE = 50;
/** Names of one page of the catalog that is searched, and how many pages are searched for one answer. */
const SCANNED_PAGE = 1_000;
const SCANNED_PAGES = 10;
/** Time for the facts of all rows, in milliseconds. */
const FACTS_WITHIN_MS = 250;

const FORBIDDEN: HomeData = { kind: 'forbidden', repositories: [], next: undefined };

/** The repositories that the visitor may pull from. @param q a part of the name; empty: all of them */
export async function loadHome(
  { q, after }: { readonly q: string; readonly after: string | undefined },
  caller: Caller,
  { registry, history, policy }: Pick<Sources, 'registry' | 'history' | 'policy'>,
): Promise<HomeData> {
  if (!policy.allowsRegistry(caller, 'catalog')) return FORBIDDEN;
  const { names, next } = await findNames(q.toLowerCase(), after, caller, registry);
  const until = performance.now() + FACTS_WITHIN_MS;
  const repositories = await Promise.all(
    names.map(async (name) => ({ name, facts: await factsOf(name, until, caller, history) })),
  );
  return { kind: 'listed', repositories, next };
}

async function findNames(
  q: string,
  after: string | undefined,
  caller: Caller,
  registry: Sources['registry'],
): Promise<{ readonly names: readonly RepositoryName[]; readonly next: string | undefined }> {
  const names: RepositoryName[] = [];
  let last = after;
  for (let page = 0; page < SCANNED_PAGES; page++) {
    const limit = q === '' ? PAGE - names.length : SCANNED_PAGE;
    const { items, more, resume } = await registry.repositories({ after: last, limit }, caller);
    for (const name of items) {
      if (!name.includes(q)) continue;
      if (names.length === PAGE) return { names, next: names.at(-1) };
      names.push(name);
    }
    last = resume ?? items.at(-1) ?? last;
    if (!more) return { names, next: undefined };
    if (q === '' && names.length === PAGE) break;
  }
  return { names, next: last };
}

async function factsOf(
  name: RepositoryName,
  until: number,
  caller: Caller,
  history: Sources['history'],
): Promise<RepositoryFacts | undefined> {
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, Math.max(0, until - performance.now())));
  const overview = await Promise.race([late, history.overview(name, undefined, caller).catch(goneOrThrow)]);
  if (overview === undefined) return undefined;
  const { counts, bytes, time } = overview;
  return { tags: counts.tags, bytes, changed: time === undefined ? undefined : Date.parse(time) };
}

/** A repository may be deleted after it was listed. One whose log is damaged must not hide all others. */
function goneOrThrow(error: unknown): RepositoryOverview | undefined {
  if (error instanceof RegistryError && (error.kind === 'name-unknown' || error.kind === 'log-broken'))
    return undefined;
  throw error;
}
