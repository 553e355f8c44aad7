import { cut } from '../format.ts';
import { readableCommand } from '../models/command.ts';

const MAX_COMMAND = 600;

/** A line of a Dockerfile, its instruction apart. */
export function CommandText({ command }: { readonly command: string }) {
  const { instruction, rest } = readableCommand(command);
  return (
    <code>
      {instruction !== '' && <b>{instruction}</b>}
      {cut(rest, MAX_COMMAND)}
    </code>
  );
}
