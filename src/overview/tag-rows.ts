import type { Database } from 'bun:sqlite';
import { attachedTo } from '../inspection/attachment-tags.ts';
import type { Digest, Tag } from '../oci/names.ts';
import type { RepositoryRow } from './repository-rows.ts';
import { type Identified, statementsOf } from './statements.ts';
import { versionKey } from './version-key.ts';

/** Tags, and their names, each once, for the search. */
export class TagRows {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  /** @param at milliseconds since 1970 */
  set(repo: RepositoryRow, tag: Tag, digest: Digest, at: number, actor: string | undefined): void {
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

  delete(repo: RepositoryRow, tag: Tag): void {
    repo.tags -= this.#statements.deleteTag.run({ repo: repo.id, tag }).changes;
  }

  clear(repo: RepositoryRow): void {
    this.#statements.clearTags.run({ repo: repo.id });
    repo.tags = 0;
  }
}

function prepare(database: Database) {
  const of = statementsOf(database);
  return {
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
    hasName: of<Identified, { tag: string }>('SELECT id FROM tag_name WHERE name = $tag'),
    addName: of<Identified, { tag: string; folded: string }>(
      'INSERT INTO tag_name (name, folded) VALUES ($tag, $folded) RETURNING id',
    ),
    addNameText: of<never, { id: number; folded: string }>(
      'INSERT INTO tag_text (rowid, folded) VALUES ($id, $folded)',
    ),
  };
}
