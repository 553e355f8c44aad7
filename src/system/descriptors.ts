import { closeSync, openSync } from 'node:fs';

/** More than a thread takes when it starts. */
const SPARE = 32;

/**
 * To be called before a thread is started: Bun ends the process where the thread finds no descriptor.
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
