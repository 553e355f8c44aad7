import type { Key } from '../../src/storage/driver.ts';

const PLACES: readonly (readonly [piece: RegExp, place: string])[] = [
  [/\/_log\//, 'slot'],
  [/\/_snap\//, 'snapshot'],
  [/^data\//, 'data'],
  [/^catalog\//, 'marker'],
  [/^digests\//, 'hint'],
  [/^uploads\//, 'upload'],
  [/\/condemned$/, 'condemned'],
  [/\/final$/, 'final'],
  [/^gc\//, 'epochs'],
];

/** The name of a step of the protocols: a kind of request to the store. */
export function stepOf(operation: string, key: Key): string {
  const [, place = 'other'] = PLACES.find(([piece]) => piece.test(key)) ?? [];
  return operation === 'create' && place === 'slot' ? 'slot' : `${operation} ${place}`;
}
