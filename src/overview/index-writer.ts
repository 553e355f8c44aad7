import type { Database } from 'bun:sqlite';
import { type Batch, type JournalEvent, recordOf } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { unreachable } from '../oci/errors.ts';
import { shapeOf } from '../oci/media-types.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import type { Steps } from '../oci/strict-json.ts';
import { ContentRows } from './content-rows.ts';
import { type ManifestFacts, ManifestRows, type PutManifest, type UnreadManifest } from './manifest-rows.ts';
import { type RepositoryRow, RepositoryRows } from './repository-rows.ts';
import { TagRows } from './tag-rows.ts';

/** Pushes of these are no pushes of clients. */
const SYSTEM = 'system:';

/**
 * Folds the logs into the index. All methods belong to transactions, of which the caller has at most one open. The rows of a repository
 * that was deleted stay without content, so that its id always means the same name.
 */
export class IndexWriter {
  readonly #database: Database;
  readonly #repositories: RepositoryRows;
  readonly #contents: ContentRows;
  readonly #manifests: ManifestRows;
  readonly #tags: TagRows;

  constructor(database: Database) {
    this.#database = database;
    this.#repositories = new RepositoryRows(database);
    this.#contents = new ContentRows(database);
    this.#manifests = new ManifestRows(database, this.#contents);
    this.#tags = new TagRows(database);
  }

  begin(): void {
    this.#database.run('BEGIN IMMEDIATE');
  }

  commit(): void {
    this.#database.run('COMMIT');
  }

  rollback(): void {
    if (this.#database.inTransaction) this.#database.run('ROLLBACK');
  }

  /** Up to which slot a repository is in the index; 0 if it is not. */
  seqOf(repo: RepositoryName): number {
    return this.#repositories.seqOf(repo);
  }

  /** Puts the state of a repository into the index that has nothing of it. In steps of some milliseconds. */
  *restore(name: RepositoryName, state: RepositoryState): Steps<void> {
    const repo = this.#repositories.open(name);
    repo.seq = state.seq;
    repo.present = state.exists ? 1 : 0;
    for (const [digest, { size, inc }] of state.blobs) {
      this.#contents.link(repo, digest, size, inc);
      yield;
    }
    const manifests = [...state.manifests].map(([digest, record]) => ({ digest, ...record }));
    const isIndex = ({ mediaType }: PutManifest): boolean => shapeOf(mediaType) === 'index';
    for (const each of [...manifests.filter((one) => !isIndex(one)), ...manifests.filter(isIndex)]) {
      this.#manifests.put(repo, each);
      repo.pushed_at = Math.max(repo.pushed_at, each.at);
      yield;
    }
    for (const [tag, digest] of state.tags) {
      const at = state.tagTimes.get(tag) ?? 0;
      this.#tags.set(repo, tag, digest, at, undefined);
      repo.pushed_at = Math.max(repo.pushed_at, at);
      yield;
    }
    this.#repositories.save(repo);
  }

  /** Applies the next slot. */
  *apply({ repo: name, seq, at, events }: Pick<Batch, 'repo' | 'seq' | 'at' | 'events'>): Steps<void> {
    const repo = this.#repositories.open(name);
    if (repo.seq !== seq - 1) throw new Error(`slot ${seq} of ${name} does not follow slot ${repo.seq} of the index`);
    const time = Date.parse(at);
    const put = new Set<Digest>();
    for (const event of events) {
      this.#applyEvent(repo, event, time);
      if (event.type === 'manifest.put') put.add(event.digest);
      const isPush = event.type === 'manifest.put' || (event.type === 'tag.set' && !put.has(event.digest));
      if (isPush && event.actor?.startsWith(SYSTEM) !== true) this.#repositories.pushed(repo, time, event.actor);
      yield;
    }
    repo.seq = seq;
    this.#repositories.save(repo);
  }

  /** The author of the last push, which a state does not tell. */
  setPusher(name: RepositoryName, actor: string | undefined): void {
    this.#repositories.setPusher(name, actor);
  }

  /** Manifests whose bytes were not read yet, the newest first. */
  unread(limit: number): readonly UnreadManifest[] {
    return this.#manifests.unread(limit);
  }

  nameOf(repo: number): RepositoryName | undefined {
    return this.#repositories.nameOf(repo);
  }

  /** Where the bytes of a blob of the repository are. */
  incarnationOf(repo: number, digest: Digest): { readonly inc: Incarnation; readonly size: number } | undefined {
    return this.#contents.incarnationOf(repo, digest);
  }

  /** @param facts undefined if the bytes could not be read */
  setFacts(manifest: UnreadManifest, facts: ManifestFacts | undefined): void {
    this.#manifests.setFacts(manifest, facts);
  }

  #applyEvent(repo: RepositoryRow, event: JournalEvent, at: number): void {
    if (event.type !== 'repo.deleted' && event.type !== 'gc.fence') repo.present = 1;
    switch (event.type) {
      case 'blob.linked':
        this.#contents.link(repo, event.digest, event.size, event.inc);
        break;
      case 'blob.unlinked':
        this.#contents.unlink(repo, event.digest, event.inc);
        break;
      case 'manifest.put':
        this.#manifests.put(repo, { digest: event.digest, ...recordOf(event, at) });
        break;
      case 'manifest.deleted':
        this.#manifests.delete(repo, event.digest, event.inc);
        break;
      case 'tag.set':
        this.#tags.set(repo, event.tag, event.digest, at, event.actor);
        break;
      case 'tag.deleted':
        this.#tags.delete(repo, event.tag);
        break;
      case 'repo.deleted':
        this.#clear(repo);
        break;
      case 'gc.fence':
        break;
      default:
        unreachable(event);
    }
  }

  /** Removes everything of a repository that was deleted. */
  #clear(repo: RepositoryRow): void {
    this.#manifests.clear(repo);
    this.#tags.clear(repo);
    this.#contents.clear(repo);
    this.#repositories.clear(repo);
  }
}
