import type { Database } from 'bun:sqlite';
import type { Digest, Incarnation } from '../oci/names.ts';
import type { RepositoryRow } from './repository-rows.ts';
import { type Identified, statementsOf } from './statements.ts';

interface ContentRow {
  readonly id: number;
  readonly size: number;
  readonly links: number;
}

/** Blobs and manifests, each once, and which repositories have them. It keeps up the sums that sharing makes necessary. */
export class ContentRows {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  link(repo: RepositoryRow, digest: Digest, size: number, inc: Incarnation): void {
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

  unlink(repo: RepositoryRow, digest: Digest, inc: Incarnation): void {
    const { content, unlink } = this.#statements;
    const found = content.get({ digest });
    if (found === null || unlink.run({ repo: repo.id, content: found.id, inc }).changes === 0) return;
    this.#released(repo, found);
  }

  /** Unlinks everything. */
  clear(repo: RepositoryRow): void {
    const { linksOf, clearLinks } = this.#statements;
    const contents = linksOf.all({ repo: repo.id });
    clearLinks.run({ repo: repo.id });
    for (const each of contents) this.#released(repo, each);
  }

  /** Where the bytes of a blob of the repository are. */
  incarnationOf(repo: number, digest: Digest): { readonly inc: Incarnation; readonly size: number } | undefined {
    return this.#statements.incarnation.get({ repo, digest }) ?? undefined;
  }

  #released(repo: RepositoryRow, { id, size, links }: ContentRow): void {
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
}

function prepare(database: Database) {
  const of = statementsOf(database);
  return {
    content: of<ContentRow, { digest: string }>('SELECT id, size, links FROM content WHERE digest = $digest'),
    addContent: of<Identified, { digest: string; size: number }>(
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
    share: of<never, { id: number; size: number }>('UPDATE repository SET shared = shared + $size WHERE id = $id'),
    linksOf: of<ContentRow, { repo: number }>(
      'SELECT c.id, c.size, c.links FROM link l JOIN content c ON c.id = l.content WHERE l.repo = $repo',
    ),
    clearLinks: of<never, { repo: number }>('DELETE FROM link WHERE repo = $repo'),
    incarnation: of<{ inc: Incarnation; size: number }, { repo: number; digest: string }>(
      'SELECT l.inc, l.size FROM content c JOIN link l ON l.content = c.id AND l.repo = $repo WHERE c.digest = $digest',
    ),
  };
}
