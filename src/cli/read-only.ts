import { unreachable } from '../oci/errors.ts';
import { EXIT, type ExitCode } from './failure.ts';
import { formatTime, type Output, printable } from './output.ts';

export interface ReadOnlyOptions {
  readonly json?: true;
}

/** The position of the read-only switch. `since` is ISO 8601, or `unknown`; `by` who turned it, if that is known. */
export type Position =
  | { readonly state: 'writable' | 'read-only' }
  | { readonly state: 'paused'; readonly since: string; readonly by: string | undefined };

/**
 * `read-only [on|off]`: shows the position of the switch.
 * @param seenWithin milliseconds until all nodes have read the new position; undefined if it was not turned
 */
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
      return 'off: the registry accepts writes';
    case 'paused': {
      const since = position.since === 'unknown' ? '' : ` since ${formatTime(position.since)}`;
      const by = position.by === undefined ? '' : ` by ${printable(position.by)}`;
      return `on${since}${by}: writes are refused, but uploads in progress may finish`;
    }
    case 'read-only':
      return 'on: READ_ONLY is set';
    default:
      return unreachable(position);
  }
}
