import type { Database } from 'bun:sqlite';
import { attachedTo } from '../inspection/attachment-tags.ts';
import { contentKindOf } from '../inspection/media-types.ts';
import { type Batch, type JournalEvent, recordOf } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import type { ManifestRecord } from '../journal/state.ts';
import { unreachable } from '../oci/errors.ts';
import { shapeOf } from '../oci/media-types.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import type { Steps } from '../oci/strict-json.ts';
import { versionKey } from './version-key.ts';

const DAY_MS = 24 * 3_600_000;
/** Pushes of these are no pushes of clients. */
const SYSTEM = 'system:';

/** A repository as the writer changes it. */
interface Repository {
  readonly id: number;
  seq: number;
  present: number;
  bytes: number;
  shared: number;
  tags: number;
  links: number;
  pushed_at: number;
  pushed_by: string | null;
}

interface ContentRow {
  readonly id: number;
  readonly size: number;
  readonly links: number;
}

interface PutManifest extends ManifestRecord {
  readonly digest: Digest;
}

/** What the writer knows of a manifest after its bytes were read. */
export interface ManifestFacts {
  readonly kind: string;
  readonly platforms: readonly string[];
  /** Milliseconds. */
  readonly created: number | undefined;
  readonly hasAttestation: boolean;
  readonly description: string | undefined;
  /** Labels and annotations. */
  readonly labels: readonly (readonly [key: string, value: string])[];
}

export interface UnreadManifest {
  readonly id: number;
  readonly repo: number;
  readonly digest: Digest;
  readonly inc: Incarnation;
  readonly size: number;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly put_at: number;
}

/**
 * Folds the logs into the index. All methods belong to transactions, of which the caller has at most one open. The rows of a repository
 * that was deleted stay without content, so that its id always means the same name.
 */
export class IndexWriter {
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepare(database);
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
    return this.#statements.repository.get({ name: repo })?.seq ?? 0;
  }

  /** Puts the state of a repository into the index that has nothing of it. In steps of some milliseconds. */
  *restore(name: RepositoryName, state: RepositoryState): Steps<void> {
    const repo = this.#open(name);
    repo.seq = state.seq;
    repo.present = state.exists ? 1 : 0;
    for (const [digest, { size, inc }] of state.blobs) {
      this.#link(repo, digest, size, inc);
      yield;
    }
    // The size of an index is that of its images.
    const manifests = [...state.manifests].map(([digest, record]) => ({ digest, ...record }));
    const isIndex = ({ mediaType }: PutManifest): boolean => shapeOf(mediaType) === 'index';
    for (const each of [...manifests.filter((one) => !isIndex(one)), ...manifests.filter(isIndex)]) {
      this.#putManifest(repo, each);
      repo.pushed_at = Math.max(repo.pushed_at, each.at);
      yield;
    }
    for (const [tag, digest] of state.tags) {
      const at = state.tagTimes.get(tag) ?? 0;
      this.#setTag(repo, tag, digest, at, undefined);
      repo.pushed_at = Math.max(repo.pushed_at, at);
      yield;
    }
    this.#save(repo);
  }

  /** Applies the next slot. */
  *apply({ repo: name, seq, at, events }: Pick<Batch, 'repo' | 'seq' | 'at' | 'events'>): Steps<void> {
    const repo = this.#open(name);
    if (repo.seq !== seq - 1) throw new Error(`slot ${seq} of ${name} does not follow slot ${repo.seq} of the index`);
    const time = Date.parse(at);
    const put = new Set<Digest>();
    for (const event of events) {
      this.#applyEvent(repo, event, time);
      if (event.type === 'manifest.put') put.add(event.digest);
      const isPush = event.type === 'manifest.put' || (event.type === 'tag.set' && !put.has(event.digest));
      if (isPush && event.actor?.startsWith(SYSTEM) !== true) this.#pushed(repo, time, event.actor);
      yield;
    }
    repo.seq = seq;
    this.#save(repo);
  }

  /** The author of the last push, which a state does not tell. */
  setPusher(name: RepositoryName, actor: string | undefined): void {
    this.#statements.setPusher.run({ name, actor: actor ?? null });
  }

  /** Manifests whose bytes were not read yet, the newest first. */
  unread(limit: number): readonly UnreadManifest[] {
    return this.#statements.unread.all({ limit });
  }

  nameOf(repo: number): RepositoryName | undefined {
    return this.#statements.nameOf.get({ repo })?.name;
  }

  /** Where the bytes of a blob of the repository are. */
  incarnationOf(repo: number, digest: Digest): { readonly inc: Incarnation; readonly size: number } | undefined {
    return this.#statements.incarnation.get({ repo, digest }) ?? undefined;
  }

  /** @param facts undefined if the bytes could not be read */
  setFacts({ id, repo, put_at }: UnreadManifest, facts: ManifestFacts | undefined): void {
    const { setFacts, markRead, describe, label, addLabel, addLabelText, labelOf } = this.#statements;
    if (facts === undefined) {
      markRead.run({ id });
      return;
    }
    const { kind, platforms, created, hasAttestation, description, labels } = facts;
    const attested = hasAttestation ? 1 : 0;
    setFacts.run({ id, kind, platforms: platforms.join('\n'), created: created ?? null, attested });
    if (description !== undefined) describe.run({ repo, description, at: put_at });
    for (const [key, value] of labels) {
      const known = label.get({ repo, key, value })?.id;
      const added = known ?? addLabel.get({ repo, key, value })?.id;
      if (added === undefined) continue;
      if (known === undefined) addLabelText.run({ id: added, key, value });
      labelOf.run({ id, label: added });
    }
  }

  #open(name: RepositoryName): Repository {
    const { repository, addRepository } = this.#statements;
    const found = repository.get({ name });
    if (found !== null) return found;
    const added = addRepository.get({ name });
    if (added === null) throw new Error(`the index did not return the repository that was added: ${name}`);
    return added;
  }

  #save({ id, seq, present, bytes, shared, tags, links, pushed_at, pushed_by }: Repository): void {
    this.#statements.save.run({ id, seq, present, bytes, shared, tags, links, pushed_at, pushed_by });
  }

  #applyEvent(repo: Repository, event: JournalEvent, at: number): void {
    if (event.type !== 'repo.deleted' && event.type !== 'gc.fence') repo.present = 1;
    switch (event.type) {
      case 'blob.linked':
        this.#link(repo, event.digest, event.size, event.inc);
        break;
      case 'blob.unlinked':
        this.#unlink(repo, event.digest, event.inc);
        break;
      case 'manifest.put':
        this.#putManifest(repo, { digest: event.digest, ...recordOf(event, at) });
        break;
      case 'manifest.deleted':
        this.#deleteManifest(repo, event.digest, event.inc);
        break;
      case 'tag.set':
        this.#setTag(repo, event.tag, event.digest, at, event.actor);
        break;
      case 'tag.deleted':
        repo.tags -= this.#statements.deleteTag.run({ repo: repo.id, tag: event.tag }).changes;
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

  #pushed(repo: Repository, at: number, actor: string | undefined): void {
    if (at >= repo.pushed_at) [repo.pushed_at, repo.pushed_by] = [at, actor ?? null];
    this.#statements.push.run({ repo: repo.id, day: Math.floor(at / DAY_MS) });
  }

  #link(repo: Repository, digest: Digest, size: number, inc: Incarnation): void {
    const { content, addContent, moreStored, setLinks, link, relink, otherLink, share } = this.#statements;
    const found = content.get({ digest });
    if (found === null) {
      const added = addContent.get({ digest, size });
      if (added === null) throw new Error(`the index did not return the content that was added: ${digest}`);
      moreStored.run({ size });
      link.run({ repo: repo.id, content: added.id, size, inc });
    } else {
      if (relink.run({ repo: repo.id, content: found.id, inc }).changes > 0) return;
      const other = found.links === 1 ? otherLink.get({ content: found.id, repo: repo.id }) : null;
      if (other !== null) share.run({ id: other.repo, size });
      link.run({ repo: repo.id, content: found.id, size, inc });
      setLinks.run({ id: found.id, by: 1 });
      repo.shared += size;
    }
    repo.bytes += size;
    repo.links++;
  }

  #unlink(repo: Repository, digest: Digest, inc: Incarnation): void {
    const { content, unlink } = this.#statements;
    const found = content.get({ digest });
    if (found === null || unlink.run({ repo: repo.id, content: found.id, inc }).changes === 0) return;
    this.#released(repo, found);
  }

  #released(repo: Repository, { id, size, links }: ContentRow): void {
    const { removeContent, moreStored, setLinks, otherLink, share } = this.#statements;
    repo.bytes -= size;
    repo.links--;
    if (links === 1) {
      removeContent.run({ id });
      moreStored.run({ size: -size });
      return;
    }
    setLinks.run({ id, by: -1 });
    repo.shared -= size;
    const last = links === 2 ? otherLink.get({ content: id, repo: repo.id }) : null;
    if (last !== null) share.run({ id: last.repo, size: -size });
  }

  #putManifest(repo: Repository, { digest, inc, size, mediaType, refs, at, ...record }: PutManifest): void {
    const { artifactType, subject, annotations = {} } = record;
    this.#link(repo, digest, size, inc);
    const { totalOf, putManifest, labelsPutAt } = this.#statements;
    const total = refs.reduce((sum, ref) => sum + (totalOf.get({ repo: repo.id, digest: ref })?.total ?? 0), size);
    const kind = contentKindOf({ mediaType, artifactType, layers: [{ mediaType: '', annotations }] });
    putManifest.run({
      ...{ repo: repo.id, digest, inc, size, total, mediaType, kind, at },
      ...{ artifactType: artifactType ?? null, subject: subject ?? null },
    });
    labelsPutAt.run({ repo: repo.id, digest, at });
  }

  #deleteManifest(repo: Repository, digest: Digest, inc: Incarnation): void {
    const { manifest, deleteManifest } = this.#statements;
    const found = manifest.get({ repo: repo.id, digest });
    if (found === null) return;
    this.#forgetLabels(found.id);
    deleteManifest.run({ id: found.id });
    this.#unlink(repo, digest, inc);
  }

  #forgetLabels(manifest: number): void {
    const { labelsOf, unlabel, labelUsers, dropLabelText, dropLabel } = this.#statements;
    const labels = labelsOf.all({ manifest });
    unlabel.run({ manifest });
    for (const { id, key, value } of labels) {
      if (labelUsers.get({ label: id }) !== null) continue;
      dropLabelText.run({ id, key, value });
      dropLabel.run({ id });
    }
  }

  #setTag(repo: Repository, tag: Tag, digest: Digest, at: number, actor: string | undefined): void {
    const { hasTag, setTag, hasName, addName, addNameText } = this.#statements;
    if (hasTag.get({ repo: repo.id, tag }) === null) repo.tags++;
    const version = versionKey(tag) ?? null;
    const attached = attachedTo(tag)?.subject ?? null;
    setTag.run({ repo: repo.id, tag, digest, at, actor: actor ?? null, version, attached });
    if (hasName.get({ tag }) !== null) return;
    const folded = tag.toLowerCase();
    const added = addName.get({ tag, folded });
    if (added !== null) addNameText.run({ id: added.id, folded });
  }

  /** Removes everything of a repository that was deleted. */
  #clear(repo: Repository): void {
    const { manifests, clearManifests, clearTags, clearPushes, linksOf, clearLinks } = this.#statements;
    for (const { id } of manifests.all({ repo: repo.id })) this.#forgetLabels(id);
    clearManifests.run({ repo: repo.id });
    clearTags.run({ repo: repo.id });
    clearPushes.run({ repo: repo.id });
    const contents = linksOf.all({ repo: repo.id });
    clearLinks.run({ repo: repo.id });
    for (const each of contents) this.#released(repo, each);
    repo.tags = 0;
    repo.present = 0;
    repo.pushed_at = 0;
    repo.pushed_by = null;
  }
}

interface Named {
  readonly id: number;
}

function prepare(database: Database) {
  const of = <Row, Parameters extends Record<string, string | number | null>>(sql: string) =>
    database.query<Row, Parameters>(sql);
  return {
    repository: of<Repository, { name: string }>(
      'SELECT id, seq, present, bytes, shared, tags, links, pushed_at, pushed_by FROM repository WHERE name = $name',
    ),
    addRepository: of<Repository, { name: string }>(
      `INSERT INTO repository (name, seq, present) VALUES ($name, 0, 0)
       RETURNING id, seq, present, bytes, shared, tags, links, pushed_at, pushed_by`,
    ),
    save: of<never, Record<string, string | number | null>>(
      `UPDATE repository SET seq = $seq, present = $present, bytes = $bytes, shared = $shared, tags = $tags, links = $links,
       pushed_at = $pushed_at, pushed_by = $pushed_by WHERE id = $id`,
    ),
    setPusher: of<never, { name: string; actor: string | null }>(
      'UPDATE repository SET pushed_by = $actor WHERE name = $name AND pushed_by IS NULL',
    ),
    share: of<never, { id: number; size: number }>('UPDATE repository SET shared = shared + $size WHERE id = $id'),
    nameOf: of<{ name: RepositoryName }, { repo: number }>('SELECT name FROM repository WHERE id = $repo'),
    content: of<ContentRow, { digest: string }>('SELECT id, size, links FROM content WHERE digest = $digest'),
    addContent: of<Named, { digest: string; size: number }>(
      'INSERT INTO content (digest, size, links) VALUES ($digest, $size, 1) RETURNING id',
    ),
    removeContent: of<never, { id: number }>('DELETE FROM content WHERE id = $id'),
    setLinks: of<never, { id: number; by: number }>('UPDATE content SET links = links + $by WHERE id = $id'),
    moreStored: of<never, { size: number }>('UPDATE total SET stored = stored + $size'),
    link: of<never, { repo: number; content: number; size: number; inc: string }>(
      'INSERT INTO link (repo, content, size, inc) VALUES ($repo, $content, $size, $inc)',
    ),
    relink: of<never, { repo: number; content: number; inc: string }>(
      'UPDATE link SET inc = $inc WHERE repo = $repo AND content = $content',
    ),
    unlink: of<never, { repo: number; content: number; inc: string }>(
      'DELETE FROM link WHERE repo = $repo AND content = $content AND inc = $inc',
    ),
    otherLink: of<{ repo: number }, { content: number; repo: number }>(
      'SELECT repo FROM link WHERE content = $content AND repo <> $repo LIMIT 1',
    ),
    linksOf: of<ContentRow, { repo: number }>(
      'SELECT c.id, c.size, c.links FROM link l JOIN content c ON c.id = l.content WHERE l.repo = $repo',
    ),
    clearLinks: of<never, { repo: number }>('DELETE FROM link WHERE repo = $repo'),
    incarnation: of<{ inc: Incarnation; size: number }, { repo: number; digest: string }>(
      'SELECT l.inc, l.size FROM content c JOIN link l ON l.content = c.id AND l.repo = $repo WHERE c.digest = $digest',
    ),
    totalOf: of<{ total: number }, { repo: number; digest: string }>(
      `SELECT coalesce((SELECT total FROM manifest WHERE repo = $repo AND digest = $digest),
        (SELECT l.size FROM content c JOIN link l ON l.content = c.id AND l.repo = $repo WHERE c.digest = $digest)) AS total`,
    ),
    manifest: of<Named, { repo: number; digest: string }>(
      'SELECT id FROM manifest WHERE repo = $repo AND digest = $digest',
    ),
    manifests: of<Named, { repo: number }>('SELECT id FROM manifest WHERE repo = $repo'),
    putManifest: of<never, Record<string, string | number | null>>(
      `INSERT INTO manifest (repo, digest, inc, size, total, media_type, artifact_type, kind, subject, put_at)
       VALUES ($repo, $digest, $inc, $size, $total, $mediaType, $artifactType, $kind, $subject, $at)
       ON CONFLICT (repo, digest) DO UPDATE SET inc = $inc, total = $total, put_at = $at`,
    ),
    deleteManifest: of<never, { id: number }>('DELETE FROM manifest WHERE id = $id'),
    clearManifests: of<never, { repo: number }>('DELETE FROM manifest WHERE repo = $repo'),
    unread: of<UnreadManifest, { limit: number }>(
      `SELECT id, repo, digest, inc, size, media_type, artifact_type, put_at FROM manifest WHERE is_read = 0
       ORDER BY id DESC LIMIT $limit`,
    ),
    markRead: of<never, { id: number }>('UPDATE manifest SET is_read = 1 WHERE id = $id'),
    setFacts: of<never, Record<string, string | number | null>>(
      `UPDATE manifest SET is_read = 1, kind = $kind, platforms = $platforms, created = $created,
       has_attestation = $attested WHERE id = $id`,
    ),
    describe: of<never, { repo: number; description: string; at: number }>(
      `UPDATE repository SET description = $description, description_at = $at
       WHERE id = $repo AND present = 1 AND description_at <= $at`,
    ),
    hasTag: of<{ digest: string }, { repo: number; tag: string }>(
      'SELECT digest FROM tag WHERE repo = $repo AND name = $tag',
    ),
    setTag: of<never, Record<string, string | number | null>>(
      `INSERT INTO tag (repo, name, digest, set_at, set_by, version, attached_to)
       VALUES ($repo, $tag, $digest, $at, $actor, $version, $attached)
       ON CONFLICT (repo, name) DO UPDATE SET digest = $digest, set_at = $at, set_by = $actor`,
    ),
    deleteTag: of<never, { repo: number; tag: string }>('DELETE FROM tag WHERE repo = $repo AND name = $tag'),
    clearTags: of<never, { repo: number }>('DELETE FROM tag WHERE repo = $repo'),
    hasName: of<Named, { tag: string }>('SELECT id FROM tag_name WHERE name = $tag'),
    addName: of<Named, { tag: string; folded: string }>(
      'INSERT INTO tag_name (name, folded) VALUES ($tag, $folded) RETURNING id',
    ),
    addNameText: of<never, { id: number; folded: string }>(
      'INSERT INTO tag_text (rowid, folded) VALUES ($id, $folded)',
    ),
    push: of<never, { repo: number; day: number }>(
      `INSERT INTO push (repo, day, pushes) VALUES ($repo, $day, 1)
       ON CONFLICT (repo, day) DO UPDATE SET pushes = pushes + 1`,
    ),
    clearPushes: of<never, { repo: number }>('DELETE FROM push WHERE repo = $repo'),
    label: of<Named, { repo: number; key: string; value: string }>(
      'SELECT id FROM label WHERE repo = $repo AND key = $key AND value = $value',
    ),
    addLabel: of<Named, { repo: number; key: string; value: string }>(
      'INSERT INTO label (repo, key, value) VALUES ($repo, $key, $value) RETURNING id',
    ),
    addLabelText: of<never, { id: number; key: string; value: string }>(
      'INSERT INTO label_text (rowid, key, value) VALUES ($id, $key, $value)',
    ),
    labelOf: of<never, { id: number; label: number }>(
      'INSERT OR IGNORE INTO label_of (manifest, label, put_at) SELECT id, $label, put_at FROM manifest WHERE id = $id',
    ),
    labelsPutAt: of<never, { repo: number; digest: string; at: number }>(
      'UPDATE label_of SET put_at = $at WHERE manifest = (SELECT id FROM manifest WHERE repo = $repo AND digest = $digest)',
    ),
    labelsOf: of<{ id: number; key: string; value: string }, { manifest: number }>(
      'SELECT l.id, l.key, l.value FROM label_of o JOIN label l ON l.id = o.label WHERE o.manifest = $manifest',
    ),
    unlabel: of<never, { manifest: number }>('DELETE FROM label_of WHERE manifest = $manifest'),
    labelUsers: of<{ manifest: number }, { label: number }>(
      'SELECT manifest FROM label_of WHERE label = $label LIMIT 1',
    ),
    dropLabelText: of<never, { id: number; key: string; value: string }>(
      "INSERT INTO label_text (label_text, rowid, key, value) VALUES ('delete', $id, $key, $value)",
    ),
    dropLabel: of<never, { id: number }>('DELETE FROM label WHERE id = $id'),
  };
}
