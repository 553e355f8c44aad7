import type { Database } from 'bun:sqlite';
import type { Digest } from '../oci/names.ts';
import { type Identified, statementsOf } from './statements.ts';

/** Labels and annotations, each once in a repository, and which manifests have them. */
export class LabelRows {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  add(manifest: number, repo: number, labels: readonly (readonly [key: string, value: string])[]): void {
    const { label, addLabel, addLabelText, labelOf } = this.#statements;
    for (const [key, value] of labels) {
      const known = label.get({ repo, key, value })?.id;
      const added = known ?? addLabel.get({ repo, key, value })?.id;
      if (added === undefined) continue;
      if (known === undefined) addLabelText.run({ id: added, key, value });
      labelOf.run({ id: manifest, label: added });
    }
  }

  /** A manifest was put again. @param at milliseconds since 1970 */
  putAgain(repo: number, digest: Digest, at: number): void {
    this.#statements.labelsPutAt.run({ repo, digest, at });
  }

  /** Removes those of a manifest, and from the search those that no other manifest has. */
  forget(manifest: number): void {
    const { labelsOf, unlabel, labelUsers, dropLabelText, dropLabel } = this.#statements;
    const labels = labelsOf.all({ manifest });
    unlabel.run({ manifest });
    for (const { id, key, value } of labels) {
      if (labelUsers.get({ label: id }) !== null) continue;
      dropLabelText.run({ id, key, value });
      dropLabel.run({ id });
    }
  }
}

function prepare(database: Database) {
  const of = statementsOf(database);
  return {
    label: of<Identified, { repo: number; key: string; value: string }>(
      'SELECT id FROM label WHERE repo = $repo AND key = $key AND value = $value',
    ),
    addLabel: of<Identified, { repo: number; key: string; value: string }>(
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
