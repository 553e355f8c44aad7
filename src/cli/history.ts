import { ANONYMOUS } from '../access/access.ts';
import { SlotReader } from '../journal/slot-reader.ts';
import { type RecordedTagChange, TagHistory } from '../past/tag-history.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { unknownRepository } from './log.ts';
import { type OpenStore, requireRepository, requireTag } from './open-store.ts';
import { formatTime, type Output, printable } from './output.ts';

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
  for (; slot !== undefined; slot = await slots.next()) {
    for (const change of history.read(slot.batch)) {
      changes++;
      await (options.json === true ? output.json({ repo, tag, ...change }) : output.line(readable(change, output)));
    }
  }
  if (changes === 0) throw new CommandError(EXIT.negative, `${repo} never had a tag ${tag}`);
  return EXIT.ok;
}

function readable(change: RecordedTagChange, output: Output): string {
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
