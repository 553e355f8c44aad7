import { closeSync, openSync } from 'node:fs';

/** More than a thread needs to start. */
const SPARE = 32;

/**
 * Must be called before a thread is started: Bun ends the process if a starting thread finds no descriptor.
 * @throws EMFILE
 */
export function refuseWithoutDescriptors(): void {
  const held: number[] = [];
  try {
    while (held.length < SPARE) held.push(openSync('/dev/null', 'r'));
  } finally {
    for (const descriptor of held) closeSync(descriptor);
  }
}
