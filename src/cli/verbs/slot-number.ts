import { InvalidArgumentError } from 'commander';

/** Parses an argument that is the number of a slot. */
export function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('A slot number from 1 on is expected.');
  return Number(text);
}
