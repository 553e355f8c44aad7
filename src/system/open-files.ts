import { readFileSync } from 'node:fs';

/** How many files and sockets this process may have open at once (`ulimit -n`); undefined where the system does not say. */
export function maxOpenFiles(): number | undefined {
  let limits: string;
  try {
    limits = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    // Only Linux has this file. Elsewhere the limit is unknown.
    return undefined;
  }
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(limits) ?? [];
  return soft === undefined ? undefined : Number(soft);
}
