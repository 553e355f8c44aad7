import type { Database } from 'bun:sqlite';
import { contentKindOf } from '../inspection/media-types.ts';
import type { ManifestRecord } from '../journal/state.ts';
import { listedType } from '../oci/media-types.ts';
import type { Digest, Incarnation } from '../oci/names.ts';
import type { ContentRows } from './content-rows.ts';
import { LabelRows } from './label-rows.ts';
import type { RepositoryRow } from './repository-rows.ts';
import { type Identified, statementsOf } from './statements.ts';

export interface PutManifest extends ManifestRecord {
  readonly digest: Digest;
}

/** What is known of a manifest once its bytes were read. */
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

/** Manifests with what their bytes say. */
export class ManifestRows {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #contents: ContentRows;
  readonly #labels: LabelRows;

  constructor(database: Database, contents: ContentRows) {
    this.#statements = prepare(database);
    this.#contents = contents;
    this.#labels = new LabelRows(database);
  }

  /** The size of an index is that of its images, so these must be put before. */
  put(repo: RepositoryRow, { digest, inc, size, mediaType, refs, at, ...record }: PutManifest): void {
    const { artifactType, subject, annotations = {} } = record;
    this.#contents.link(repo, digest, size, inc);
    const { totalOf, putManifest } = this.#statements;
    const total = refs.reduce((sum, ref) => sum + (totalOf.get({ repo: repo.id, digest: ref })?.total ?? 0), size);
    const kind = contentKindOf({ mediaType, artifactType, layers: [{ mediaType: '', annotations }] });
    putManifest.run({
      ...{ repo: repo.id, digest, inc, size, total, mediaType, kind, at },
      ...{ artifactType: listedType(artifactType) ?? null, subject: subject ?? null },
    });
    this.#labels.putAgain(repo.id, digest, at);
  }

  delete(repo: RepositoryRow, digest: Digest, inc: Incarnation): void {
    const { manifest, deleteManifest } = this.#statements;
    const found = manifest.get({ repo: repo.id, digest });
    if (found === null) return;
    this.#labels.forget(found.id);
    deleteManifest.run({ id: found.id });
    this.#contents.unlink(repo, digest, inc);
  }

  /** Removes all. Their content stays linked. */
  clear(repo: RepositoryRow): void {
    const { manifests, clearManifests } = this.#statements;
    for (const { id } of manifests.all({ repo: repo.id })) this.#labels.forget(id);
    clearManifests.run({ repo: repo.id });
  }

  /** Manifests whose bytes were not read yet, the newest first. */
  unread(limit: number): readonly UnreadManifest[] {
    return this.#statements.unread.all({ limit });
  }

  /** @param facts undefined if the bytes could not be read */
  setFacts({ id, repo, put_at }: UnreadManifest, facts: ManifestFacts | undefined): void {
    const { setFacts, markRead, describe } = this.#statements;
    if (facts === undefined) {
      markRead.run({ id });
      return;
    }
    const { kind, platforms, created, hasAttestation, description, labels } = facts;
    const attested = hasAttestation ? 1 : 0;
    setFacts.run({ id, kind, platforms: platforms.join('\n'), created: created ?? null, attested });
    if (description !== undefined) describe.run({ repo, description, at: put_at });
    this.#labels.add(id, repo, labels);
  }
}

function prepare(database: Database) {
  const of = statementsOf(database);
  return {
    totalOf: of<{ total: number }, { repo: number; digest: string }>(
      `SELECT coalesce((SELECT total FROM manifest WHERE repo = $repo AND digest = $digest),
        (SELECT l.size FROM content c JOIN link l ON l.content = c.id AND l.repo = $repo WHERE c.digest = $digest)) AS total`,
    ),
    manifest: of<Identified, { repo: number; digest: string }>(
      'SELECT id FROM manifest WHERE repo = $repo AND digest = $digest',
    ),
    manifests: of<Identified, { repo: number }>('SELECT id FROM manifest WHERE repo = $repo'),
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
  };
}
