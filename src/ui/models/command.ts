const INSTRUCTION = /^[A-Z]{3,11}(?= )/;

/** A command of an image's history, as a Dockerfile has it. */
export interface ReadableCommand {
  /** Such as `RUN`; empty if it is none. */
  readonly instruction: string;
  readonly rest: string;
}

/** Without what builders add around a command. Pure. @param createdBy as the history of an image has it */
export function readableCommand(createdBy: string): ReadableCommand {
  const text = withoutShell(createdBy.replace(/\s+# buildkit$/, '').trim());
  const [instruction = ''] = INSTRUCTION.exec(text) ?? [];
  return { instruction, rest: text.slice(instruction.length) };
}

function withoutShell(text: string): string {
  const other = /^\/bin\/sh -c #\(nop\)\s+/.exec(text);
  if (other !== null) return text.slice(other[0].length).trim();
  const run = /^(?:RUN )?(?:\|\d+ (?:\S+=\S* )*)?\/bin\/(?:ba)?sh -c /.exec(text);
  return run === null ? text : `RUN ${text.slice(run[0].length).trim()}`;
}
