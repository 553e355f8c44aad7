const UNITS: readonly string[] = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export const SIZE_FORMS = 'a size like 4096, 512KiB, 64MiB or 1GiB';

/** Parses a number of bytes; undefined if it is not one. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit = 'B'] = /^(\d{1,9})(B|KiB|MiB|GiB|TiB)?$/.exec(text) ?? [];
  const power = UNITS.indexOf(unit);
  const bytes = Number(digits) * 1024 ** power;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** For people: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}
