import type { RepositoryState } from '../../journal/fold.ts';
import { catchUp } from '../../journal/log.ts';
import type { ManifestRecord } from '../../journal/state.ts';
import { algorithmOf, digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { MAX_MANIFEST_BYTES, type ManifestFacts, readStoredManifest } from '../../oci/manifest.ts';
import type { Digest, Incarnation, RepositoryName } from '../../oci/names.ts';
import { digestOfObject } from '../../storage/digest-object.ts';
import { dataKey } from '../../storage/paths.ts';
import { type Check, contentText } from './check.ts';
import type { Problem } from './findings.ts';
import { problemOf } from './log-check.ts';

/** A fault of the object behind a link. */
interface Damage {
  readonly problem: Problem;
  readonly message: string;
}

/** The object to which a log binds a digest. */
interface Link {
  readonly size: number;
  readonly inc: Incarnation;
}

/**
 * Checks that every object that a repository's log links exists and matches the log.
 * @param state as folded; before a fault is reported, newer slots are applied to it
 */
export async function checkContent(repo: RepositoryName, state: RepositoryState, check: Check): Promise<void> {
  const content = new ContentCheck(repo, state, check);
  await content.checkTags();
  for (const digest of state.blobs.keys()) await content.checkBlob(digest);
  for (const digest of state.manifests.keys()) await content.checkManifest(digest);
}

class ContentCheck {
  readonly #repo: RepositoryName;
  readonly #state: RepositoryState;
  readonly #check: Check;
  /** A slot appended during the check that cannot be folded; it is reported once. */
  #brokenAt: number | undefined;

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

  async checkBlob(digest: Digest): Promise<void> {
    await this.#checkWhileChanging(
      () => this.#state.blob(digest),
      async (link) => {
        this.#count(link);
        const damage = (await this.#damageOfLength(link)) ?? (await this.#damageOfBytes(digest, link));
        return damage === undefined ? undefined : { digest, inc: link.inc, ...damage };
      },
    );
  }

  async checkManifest(digest: Digest): Promise<void> {
    let facts: ManifestFacts | undefined;
    await this.#checkWhileChanging(
      () => this.#state.manifest(digest),
      async (record) => {
        this.#count(record);
        const read = await this.#readManifest(digest, record);
        facts = 'problem' in read ? undefined : read;
        const damage = 'problem' in read ? read : recordedWrong(record, read);
        return damage === undefined ? undefined : { digest, inc: record.inc, ...damage };
      },
    );
    // The manifest may have been deleted since it was read.
    if (facts !== undefined && this.#state.manifest(digest) !== undefined) await this.#checkReferences(digest, facts);
  }

  /**
   * While a server runs, an object may be missing because it was unlinked and freed. That is not damage. So before damage is reported,
   * newer slots are applied: an unlink that preceded the check of the object is in the log by now, and a new link is checked in turn.
   */
  async #checkWhileChanging<T extends Link>(
    current: () => T | undefined,
    examine: (link: T) => Promise<(Damage & { readonly digest: Digest; readonly inc: Incarnation }) | undefined>,
  ): Promise<void> {
    for (let link = current(); link !== undefined; ) {
      const damage = await examine(link);
      if (damage === undefined) return;
      await this.#catchUp();
      const now = current();
      if (now === link) {
        await this.#check.report({ severity: 'fault', repo: this.#repo, ...damage });
        return;
      }
      link = now;
    }
  }

  /** Applies the slots appended since the last call. */
  async #catchUp(): Promise<void> {
    try {
      await catchUp(this.#check.reader, this.#repo, this.#state);
    } catch (error) {
      const slot = this.#state.seq + 1;
      if (this.#brokenAt === slot) return;
      this.#brokenAt = slot;
      const message = `appended during the check: ${problemOf(error)}`;
      await this.#check.report({ severity: 'fault', problem: 'slot-unusable', repo: this.#repo, slot, message });
    }
  }

  /** Uses the state only, so that all findings are of one moment. */
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
        await this.#check.report({ severity: 'fault', problem: 'blob-missing', ...place, blob: ref, message });
      } else {
        const message = `the manifest names ${ref}, which the repository lacks; that is allowed`;
        await this.#check.report({ severity: 'warning', problem: 'reference-absent', ...place, message });
      }
    }
  }

  #count({ inc, size }: Link): void {
    const { tally, index } = this.#check;
    if (!index.linked.add(inc)) return;
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

  /** Reads the object, unless the check of another repository has. */
  async #damageOfBytes(digest: Digest, { inc }: Link): Promise<Damage | undefined> {
    const { reader, scrub, index, progress, tally } = this.#check;
    if (!scrub) return undefined;
    const text = contentText(digest, inc);
    if (index.verified.has(text)) return undefined;
    let found = index.damaged.get(text);
    if (found === undefined) {
      try {
        found = await digestOfObject(reader, dataKey(inc), algorithmOf(digest), (count) => progress.read(count));
      } catch (error) {
        return unreadable(error);
      }
      if (found === undefined) return gone();
      tally.verified++;
      if (found === digest) index.verified.add(text);
      else index.damaged.set(text, found);
    }
    return found === digest ? undefined : otherDigest(found);
  }

  /** Manifests are small, so they are always read and verified. */
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
      return readStoredManifest(bytes, record.mediaType);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return { problem: 'manifest-invalid', message: error.message };
    }
  }
}

function unreadable(error: unknown): Damage {
  return { problem: 'object-unreadable', message: `its object ${problemOf(error)}` };
}

function gone(): Damage {
  return { problem: 'object-missing', message: 'its object is missing' };
}

function otherDigest(found: string): Damage {
  return { problem: 'object-digest', message: `the bytes of its object have the digest ${found}` };
}

/** Compares what the log recorded of a manifest with its bytes. */
function recordedWrong(record: ManifestRecord, facts: ManifestFacts): Damage | undefined {
  const wrong: string[] = [];
  if (record.mediaType !== facts.mediaType) wrong.push('the media type');
  if (record.artifactType !== facts.artifactType) wrong.push('the artifact type');
  if (record.subject !== facts.subject) wrong.push('the subject');
  if (!Bun.deepEquals(record.annotations, facts.annotations)) wrong.push('the annotations');
  if (!Bun.deepEquals([...record.refs].sort(), [...facts.refs].sort())) wrong.push('the references');
  if (wrong.length === 0) return undefined;
  const message = `the log recorded ${wrong.join(', ')} differently from the manifest`;
  return { problem: 'manifest-recorded-wrong', message };
}
