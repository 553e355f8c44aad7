import type { RepositoryState } from '../../journal/fold.ts';
import { catchUp } from '../../journal/log.ts';
import type { ManifestRecord } from '../../journal/state.ts';
import { algorithmOf, digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { MAX_MANIFEST_BYTES, type ManifestFacts, parseManifest } from '../../oci/manifest.ts';
import type { Digest, Incarnation, RepositoryName } from '../../oci/names.ts';
import { dataKey } from '../../storage/paths.ts';
import { type Check, contentText } from './check.ts';
import { digestOfObject } from './digest-object.ts';
import type { Problem } from './findings.ts';
import { problemOf } from './log-check.ts';

/** Something wrong with the bytes behind a link. */
interface Damage {
  readonly problem: Problem;
  readonly message: string;
}

/** What a log binds a digest to. */
interface Link {
  readonly size: number;
  readonly inc: Incarnation;
}

/**
 * Is everything that a repository's log says there is really there, and is it what the log says?
 * @param state as folded; where something seems wrong it is moved on to the log's newest slot
 */
export async function checkContent(repo: RepositoryName, state: RepositoryState, check: Check): Promise<void> {
  const content = new ContentCheck(repo, state, check);
  await content.checkTags();
  for (const [digest, link] of state.blobs) await content.checkBlob(digest, link);
  for (const [digest, record] of state.manifests) await content.checkManifest(digest, record);
}

class ContentCheck {
  readonly #repo: RepositoryName;
  readonly #state: RepositoryState;
  readonly #check: Check;

  constructor(repo: RepositoryName, state: RepositoryState, check: Check) {
    this.#repo = repo;
    this.#state = state;
    this.#check = check;
  }

  async checkTags(): Promise<void> {
    const dangling = [...this.#state.tags].filter(([, digest]) => this.#state.manifest(digest) === undefined);
    for (const [tag, digest] of dangling) {
      const message = 'the tag points to a manifest that the repository does not have';
      await this.#check.report({ severity: 'fault', problem: 'tag-dangling', repo: this.#repo, tag, digest, message });
    }
  }

  async checkBlob(digest: Digest, link: Link): Promise<void> {
    this.#count(link);
    const damage = (await this.#damageOfLength(link)) ?? (await this.#damageOfBytes(digest, link));
    if (damage !== undefined) {
      await this.#reportIfStill(digest, link.inc, () => this.#state.blob(digest)?.inc === link.inc, [damage]);
    }
  }

  async checkManifest(digest: Digest, record: ManifestRecord): Promise<void> {
    this.#count(record);
    const isLive = (): boolean => this.#state.manifest(digest)?.inc === record.inc;
    const read = await this.#readManifest(digest, record);
    if ('problem' in read) {
      await this.#reportIfStill(digest, record.inc, isLive, [read]);
      return;
    }
    const wrong = wrongFields(record, read);
    if (wrong.length > 0) {
      const message = `the log recorded ${wrong.join(', ')} otherwise than the manifest says`;
      await this.#reportIfStill(digest, record.inc, isLive, [{ problem: 'manifest-recorded-wrong', message }]);
    }
    // A search above may have moved the state on, beyond the deletion of this very manifest.
    if (isLive()) await this.#checkReferences(digest, read);
  }

  /** Looks at the state only, so that all it says is of one moment. */
  async #checkReferences(digest: Digest, facts: ManifestFacts): Promise<void> {
    const required = new Set(facts.requiredBlobs);
    const absent = facts.refs.filter((ref) =>
      required.has(ref)
        ? this.#state.blob(ref) === undefined
        : this.#state.blob(ref) === undefined && this.#state.manifest(ref) === undefined,
    );
    for (const ref of absent) {
      const place = { repo: this.#repo, digest };
      if (required.has(ref)) {
        const message = `the manifest needs the blob ${ref}, which the repository does not have`;
        await this.#check.report({ severity: 'fault', problem: 'blob-missing', ...place, message });
      } else {
        const message = `the manifest names ${ref}, which the repository does not have and need not have`;
        await this.#check.report({ severity: 'warning', problem: 'reference-absent', ...place, message });
      }
    }
  }

  #count({ inc, size }: Link): void {
    const { tally, seen } = this.#check;
    if (!seen.linked.add(inc)) return;
    tally.objects++;
    tally.bytes += size;
  }

  async #damageOfLength({ inc, size }: Link): Promise<Damage | undefined> {
    let found: { readonly size: number } | undefined;
    try {
      found = await this.#check.reader.head(dataKey(inc));
    } catch (error) {
      return unreadable(error);
    }
    if (found === undefined) return gone();
    if (found.size === size) return undefined;
    return { problem: 'object-length', message: `its object has ${found.size} bytes, the log says ${size}` };
  }

  /** Reads the object, unless that was done already for another repository. */
  async #damageOfBytes(digest: Digest, { inc }: Link): Promise<Damage | undefined> {
    const { reader, scrub, seen, progress, tally } = this.#check;
    if (!scrub) return undefined;
    const text = contentText(digest, inc);
    if (seen.verified.has(text)) return undefined;
    let found = seen.damaged.get(text);
    if (found === undefined) {
      try {
        found = await digestOfObject(reader, dataKey(inc), algorithmOf(digest), (count) => progress.read(count));
      } catch (error) {
        return unreadable(error);
      }
      if (found === undefined) return gone();
      tally.verified++;
      if (found === digest) seen.verified.add(text);
      else seen.damaged.set(text, found);
    }
    return found === digest ? undefined : otherDigest(found);
  }

  /** Manifests are small: they are read and verified in any case. */
  async #readManifest(digest: Digest, record: ManifestRecord): Promise<ManifestFacts | Damage> {
    const { reader, progress, tally } = this.#check;
    const damage = await this.#damageOfLength(record);
    if (damage !== undefined) return damage;
    if (record.size > MAX_MANIFEST_BYTES) {
      return { problem: 'manifest-invalid', message: `a manifest cannot have ${record.size} bytes` };
    }
    let bytes: Uint8Array | undefined;
    try {
      bytes = await reader.read(dataKey(record.inc));
    } catch (error) {
      return unreadable(error);
    }
    if (bytes === undefined) return gone();
    progress.read(bytes.length);
    tally.verified++;
    const found = digestOf(algorithmOf(digest), bytes);
    if (found !== digest) return otherDigest(found);
    try {
      return parseManifest(bytes, record.mediaType);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return { problem: 'manifest-invalid', message: error.message };
    }
  }

  /**
   * Beside a running server, bytes may go because their link went: that is no damage. What was deleted before the look at the
   * object is in the log by now, so the log's newest slot decides.
   */
  async #reportIfStill(
    digest: Digest,
    inc: Incarnation,
    isLive: () => boolean,
    damages: readonly Damage[],
  ): Promise<void> {
    const seq = this.#state.seq + 1;
    try {
      await catchUp(this.#check.reader, this.#repo, this.#state);
    } catch (error) {
      const message = `appended during the check: ${problemOf(error)}`;
      await this.#check.report({ severity: 'fault', problem: 'slot-unusable', repo: this.#repo, slot: seq, message });
    }
    if (!isLive()) return;
    for (const damage of damages) {
      await this.#check.report({ severity: 'fault', repo: this.#repo, digest, inc, ...damage });
    }
  }
}

function unreadable(error: unknown): Damage {
  return { problem: 'object-unreadable', message: `its object ${problemOf(error)}` };
}

function gone(): Damage {
  return { problem: 'object-missing', message: 'its object is not there' };
}

function otherDigest(found: string): Damage {
  return { problem: 'object-digest', message: `the bytes of its object have the digest ${found}` };
}

/** What a put recorded of a manifest, against what its bytes say. */
function wrongFields(record: ManifestRecord, facts: ManifestFacts): string[] {
  const wrong: string[] = [];
  if (record.mediaType !== facts.mediaType) wrong.push('the media type');
  if (record.artifactType !== facts.artifactType) wrong.push('the artifact type');
  if (record.subject !== facts.subject) wrong.push('the subject');
  if (!Bun.deepEquals(record.annotations, facts.annotations)) wrong.push('the annotations');
  if (!Bun.deepEquals([...record.refs].sort(), [...facts.refs].sort())) wrong.push('the references');
  return wrong;
}
