import { ANONYMOUS } from '../access/access.ts';
import type { Batch, JournalEvent } from '../journal/events.ts';
import type { Digest, Tag } from '../oci/names.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { unknownRepository } from './log.ts';
import { type OpenStore, requireRepository, requireTag } from './open-store.ts';
import { formatTime, type Output, OutputClosed, printable } from './output.ts';
import { SlotReader } from './slot-reader.ts';

/** One change of a tag. */
interface Change {
  readonly action: 'set' | 'deleted';
  /** The digest that the tag was set to, or pointed to when it was deleted. */
  readonly digest: Digest;
  /** Whether its manifest or repository was deleted with it; undefined if only the tag was. */
  readonly with?: 'manifest' | 'repository';
  readonly seq: number;
  readonly at: string;
  readonly node: string;
  readonly actor?: string;
}

/** `history <repo> <tag>`: every value that a tag had, oldest first. */
export async function showHistory(
  name: string,
  tagName: string,
  options: { readonly json?: true },
  store: OpenStore,
  output: Output,
): Promise<ExitCode> {
  const repo = requireRepository(name);
  const tag = requireTag(tagName);
  const slots = new SlotReader(store.reader, repo);
  const history = new TagHistory(tag);
  let slot = await slots.next();
  if (slot === undefined) throw unknownRepository(repo, store);
  let changes = 0;
  try {
    for (; slot !== undefined; slot = await slots.next()) {
      for (const change of history.read(slot.batch)) {
        changes++;
        await (options.json === true ? output.json({ repo, tag, ...change }) : output.line(readable(change, output)));
      }
    }
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
    // The reader of the output has closed it.
    return EXIT.ok;
  }
  if (changes === 0) throw new CommandError(EXIT.negative, `${repo} never had a tag ${tag}`);
  return EXIT.ok;
}

function readable(change: Change, output: Output): string {
  const gone = change.with === undefined ? 'deleted' : `deleted with its ${change.with}`;
  const value =
    change.action === 'set'
      ? change.digest
      : `${output.styled('red', gone)}, was ${output.styled('dim', change.digest)}`;
  return [
    output.styled('dim', formatTime(change.at)),
    output.styled('yellow', String(change.seq).padStart(6)),
    printable(change.actor ?? '-').padEnd(ANONYMOUS.label.length),
    value,
  ].join('  ');
}

/** Follows one tag along the log. */
class TagHistory {
  readonly #tag: Tag;
  #current: Digest | undefined;

  constructor(tag: Tag) {
    this.#tag = tag;
  }

  read(batch: Batch): Change[] {
    const changes: Change[] = [];
    for (const event of batch.events) {
      const change = this.#changeOf(event, batch);
      if (change === undefined) continue;
      const { seq, at, node } = batch;
      changes.push({ ...change, seq, at, node, ...(event.actor === undefined ? {} : { actor: event.actor }) });
    }
    return changes;
  }

  #changeOf(event: JournalEvent, batch: Batch): Pick<Change, 'action' | 'digest' | 'with'> | undefined {
    const before = this.#current;
    switch (event.type) {
      case 'tag.set':
        if (event.tag !== this.#tag) return undefined;
        this.#current = event.digest;
        return { action: 'set', digest: event.digest };
      case 'tag.deleted':
        if (event.tag !== this.#tag || before === undefined) return undefined;
        this.#current = undefined;
        return { action: 'deleted', digest: before, ...(deletesManifest(batch, before) ? { with: 'manifest' } : {}) };
      case 'repo.deleted':
        if (before === undefined) return undefined;
        this.#current = undefined;
        return { action: 'deleted', digest: before, with: 'repository' };
      default:
        return undefined;
    }
  }
}

/** Whether the batch also deletes the manifest, so that the tag was deleted because of it. */
function deletesManifest(batch: Batch, digest: Digest): boolean {
  return batch.events.some((event) => event.type === 'manifest.deleted' && event.digest === digest);
}
