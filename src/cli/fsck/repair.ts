import { markedRepositories } from '../../collection/scan.ts';
import type { RepositoryState } from '../../journal/fold.ts';
import { foldLog, READ_AHEAD } from '../../journal/log.ts';
import { algorithmOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName } from '../../oci/names.ts';
import { linkable } from '../../registry/condemned.ts';
import type { Restoration, Restored } from '../../registry/restoration.ts';
import { digestOfObject } from '../../storage/digest-object.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { dataKey } from '../../storage/paths.ts';
import { knownOf } from '../undo/closure.ts';
import type { Finding, Problem } from './findings.ts';
import { problemOf } from './log-check.ts';

/** Faults that can be repaired with other bytes of the same digest. */
const REPAIRABLE: ReadonlySet<Problem> = new Set<Problem>([
  'object-missing',
  'object-length',
  'object-unreadable',
  'object-digest',
  'blob-missing',
]);

/** A digest for which a repository has no intact bytes. */
interface Broken {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  /** The damaged object it is linked to; undefined: it is not linked. */
  readonly inc?: Incarnation;
}

/** A linked object whose digest was verified. */
interface Source {
  readonly repo: RepositoryName;
  readonly inc: Incarnation;
  readonly size: number;
}

/** The outcome of repairing one digest. */
export interface Repair extends Broken {
  readonly outcome: 'repaired' | 'unrepaired';
  /** The repository that the bytes came from. */
  readonly from?: RepositoryName;
  /** The object that is linked now. */
  readonly with?: Incarnation;
  readonly message: string;
}

export interface RepairPorts {
  readonly reader: StoreReader;
  readonly restore: (repo: RepositoryName, wanted: Restoration) => Promise<Restored>;
  readonly report: (repair: Repair) => Promise<void>;
}

/** The repairable faults of a check; there should be few. */
export class Repairs {
  readonly #broken = new Map<string, { readonly broken: Broken; faults: number }>();

  note({ problem, repo, digest, inc, blob }: Finding): void {
    if (!REPAIRABLE.has(problem) || repo === undefined || digest === undefined) return;
    const broken = { repo, digest: blob ?? digest, ...(inc === undefined ? {} : { inc }) };
    const key = JSON.stringify(broken);
    const noted = this.#broken.get(key);
    if (noted === undefined) this.#broken.set(key, { broken, faults: 1 });
    else noted.faults++;
  }

  get size(): number {
    return this.#broken.size;
  }

  /**
   * Links other bytes of the same digest, which a repository of the store must link and whose digest is verified. Deletes nothing, and
   * obeys the linker's rule.
   * @returns the number of faults repaired
   */
  async run(ports: RepairPorts): Promise<number> {
    const all = [...this.#broken.values()];
    const sources = await findSources(
      all.map(({ broken }) => broken),
      ports.reader,
    );
    let repaired = 0;
    for (const { broken, faults } of all) {
      const repair = await repairOne(broken, sources.get(broken.digest), ports);
      if (repair.outcome === 'repaired') repaired += faults;
      await ports.report(repair);
    }
    return repaired;
  }
}

/** Searches all logs that can be folded. */
async function findSources(broken: readonly Broken[], reader: StoreReader): Promise<Map<Digest, Source>> {
  const left = new Set(broken.map(({ digest }) => digest));
  const bad = new Set(broken.flatMap(({ inc }) => (inc === undefined ? [] : [inc])));
  const sources = new Map<Digest, Source>();
  for await (const repo of markedRepositories(reader)) {
    if (left.size === 0) break;
    const state = await foldIfWhole(reader, repo);
    for (const digest of state === undefined ? [] : [...left]) {
      for (const link of [state?.blob(digest), state?.manifest(digest)]) {
        if (link === undefined || bad.has(link.inc) || !left.has(digest)) continue;
        if (await isGood(reader, digest, link)) {
          sources.set(digest, { repo, inc: link.inc, size: link.size });
          left.delete(digest);
        } else bad.add(link.inc);
      }
    }
  }
  return sources;
}

async function foldIfWhole(reader: StoreReader, repo: RepositoryName): Promise<RepositoryState | undefined> {
  try {
    return (await foldLog(reader, repo, READ_AHEAD)).state;
  } catch (error) {
    // The check has already reported damage and system errors. Other errors are rethrown.
    problemOf(error);
    return undefined;
  }
}

/** "Bytes are verified before they are linked", even if another repository links them. */
async function isGood(reader: StoreReader, digest: Digest, link: Pick<Source, 'inc' | 'size'>): Promise<boolean> {
  try {
    if (!(await linkable(reader, [link])).has(link.inc)) return false;
    return (await digestOfObject(reader, dataKey(link.inc), algorithmOf(digest), () => {})) === digest;
  } catch (error) {
    problemOf(error);
    return false;
  }
}

const NO_SOURCE =
  'no other repository has undamaged bytes of this digest: docs/operations.md says under Repair how to bring them back';

async function repairOne(
  broken: Broken,
  source: Source | undefined,
  { reader, restore }: RepairPorts,
): Promise<Repair> {
  const { repo } = broken;
  const unrepaired = (message: string): Repair => ({ ...broken, outcome: 'unrepaired', message });
  if (source === undefined) return unrepaired(NO_SOURCE);
  const state = await foldIfWhole(reader, repo);
  if (state === undefined) return unrepaired('the log of its repository cannot be folded');
  try {
    const { blobs, manifests } = await restore(repo, wantedOf(broken, source, state));
    if (blobs.length + manifests.length === 0) {
      return { ...broken, outcome: 'repaired', message: 'it has been linked again or deleted meanwhile' };
    }
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return unrepaired(error.message);
  }
  const message = `linked to the bytes that ${source.repo} links`;
  return { ...broken, outcome: 'repaired', from: source.repo, with: source.inc, message };
}

function wantedOf(
  { repo, digest, inc }: Broken,
  { inc: other, size, repo: from }: Source,
  state: RepositoryState,
): Restoration {
  const origin = from === repo ? {} : { from };
  if (inc === undefined) return { blobs: [{ digest, size, incs: [other], ...origin }], manifests: [], tags: [] };
  const { blob, manifest } = knownOf(state, digest);
  const instead = { size, incs: [other], instead: inc };
  return {
    blobs: blob?.incs[0] === inc ? [{ ...blob, ...instead, ...origin }] : [],
    manifests: manifest?.incs[0] === inc ? [{ ...manifest, ...instead }] : [],
    tags: [],
  };
}
