import type { Caller } from '../../access/access.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { StorageReport, Totals } from '../../overview/interface.ts';
import type { Explanation, ReviewedRule, ShownOutlook } from '../../retention/interface.ts';
import type { MappedPart, StorageMap } from '../models/storage-map.ts';
import type { Sources } from './sources.ts';

export type StorageData =
  /** The visitor may not list repositories. */
  | { readonly kind: 'forbidden' }
  | {
      readonly kind: 'all';
      readonly report: StorageReport;
      readonly map: StorageMap;
      readonly totals: Totals;
      readonly outlook: ShownOutlook;
    }
  | {
      readonly kind: 'repository';
      readonly repo: RepositoryName;
      readonly report: StorageReport;
      /** Undefined until the repository is in the index. */
      readonly item: StorageReport['repositories'][number] | undefined;
      /** Undefined: no rule applies. */
      readonly kept: Kept | undefined;
    };

/** What a rule keeps, and why. */
export interface Kept {
  readonly rule: ReviewedRule;
  readonly explanation: Explanation;
}

/** In the page, and in what its script draws. */
const DRAWN = { repositories: 40, parts: 12 };
const MAPPED = { repositories: 100, parts: 50 };
/** Parts of one repository. */
const PARTS = 40;
/** Tags of one repository whose fate is told. */
const FATES = 50;
/** Tags of all repositories that go first. */
const UPCOMING = 20;

/** The beginning of a digest, which the search understands. */
const DIGEST_CHARACTERS = 'sha256:'.length + 16;

interface StorageSources extends Pick<Sources, 'retention' | 'policy'> {
  readonly overview: Pick<Sources['overview'], 'storage' | 'totals'>;
}

/** What takes the space, in all repositories that the visitor may list or in one of them. */
export async function loadStorage(
  repo: RepositoryName | undefined,
  caller: Caller,
  { overview, retention, policy }: StorageSources,
): Promise<StorageData> {
  if (repo === undefined) {
    if (!policy.allowsRegistry(caller, 'catalog')) return { kind: 'forbidden' };
    const [report, totals, outlook] = await Promise.all([
      overview.storage(DRAWN, caller),
      overview.totals(caller),
      retention.outlook(UPCOMING, caller),
    ]);
    return { kind: 'all', report, map: storageMapOf(report), totals, outlook };
  }
  const report = await overview.storage({ repo, repositories: 1, parts: PARTS }, caller);
  const [item] = report.repositories;
  // Without a rule nothing is explained, so the log, which may be long, is not read. If the index has it, the repository exists.
  const kept = item === undefined || retention.hasRule(repo) ? await keptIn(repo, caller, retention) : undefined;
  return { kind: 'repository', repo, report, item, kept };
}

/** @throws RegistryError `name-unknown` if the visitor may not see it, too */
async function keptIn(
  repo: RepositoryName,
  caller: Caller,
  retention: StorageSources['retention'],
): Promise<Kept | undefined> {
  const [{ rule }, explanation] = await Promise.all([
    retention.review(repo, [], caller),
    retention.explain(repo, { text: '', offset: 0, limit: FATES }, caller),
  ]);
  return rule === undefined ? undefined : { rule, explanation };
}

/** With more parts than the page itself draws. Empty for visitors who may not list repositories. */
export async function loadStorageMap(
  caller: Caller,
  { overview, policy }: Pick<Sources, 'overview' | 'policy'>,
): Promise<StorageMap> {
  if (!policy.allowsRegistry(caller, 'catalog')) return { repositories: [], rest: { count: 0, bytes: 0 } };
  return storageMapOf(await overview.storage(MAPPED, caller));
}

/** Pure. */
export function storageMapOf({ repositories, rest }: Pick<StorageReport, 'repositories' | 'rest'>): StorageMap {
  return {
    repositories: repositories.map(({ name, bytes, shared, parts, rest: others }) => ({
      ...{ name, bytes, shared, rest: others },
      parts: parts.map(
        ({ digest, bytes: size, sharedWith }): MappedPart => [
          digest.slice(0, DIGEST_CHARACTERS),
          size,
          sharedWith ?? null,
        ],
      ),
    })),
    rest,
  };
}
