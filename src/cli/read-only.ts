import { unreachable } from '../oci/errors.ts';
import { EXIT, type ExitCode } from './failure.ts';
import { formatTime, type Output } from './output.ts';

export interface ReadOnlyOptions {
  readonly json?: true;
}

/** How the switch stands: `marina read-only` and what it is turned to. */
export type Position =
  | { readonly state: 'writable' | 'read-only' }
  | { readonly state: 'paused'; readonly since: string };

/** @param seenWithin milliseconds until all nodes have seen that it was turned; undefined: it was only looked at */
export async function showReadOnly(
  position: Position,
  seenWithin: number | undefined,
  options: ReadOnlyOptions,
  output: Output,
): Promise<ExitCode> {
  if (options.json === true) {
    await output.json(position);
    return EXIT.ok;
  }
  const seen = seenWithin === undefined || seenWithin === 0 ? '' : `; every node sees it within ${seenWithin / 1000} s`;
  await output.line(describe(position) + seen);
  return EXIT.ok;
}

function describe(position: Position): string {
  switch (position.state) {
    case 'writable':
      return 'off: the registry takes writes';
    case 'paused': {
      const since = position.since === 'unknown' ? '' : ` since ${formatTime(position.since)}`;
      return `on${since}: writes are refused, uploads that were begun may end`;
    }
    case 'read-only':
      return 'on: READ_ONLY is set';
    default:
      return unreachable(position);
  }
}
