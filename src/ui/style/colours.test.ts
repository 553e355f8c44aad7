import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';

const css = readFileSync(new URL('tokens.css', import.meta.url), 'utf8');
const [light = '', dark = ''] = css.split('@media screen and (prefers-color-scheme: dark)');

/** Text, and the grounds that it stands on. */
const PAIRS: readonly (readonly [text: string, grounds: readonly string[]])[] = [
  ...['ink', 'ink-soft', 'ink-faint', 'accent'].map((text) => [text, ['ground', 'surface', 'sunken']] as const),
  ['accent-ink', ['accent']],
  ['ink', ['own', 'shared', 'line']],
  ['accent', ['accent-soft']],
  ...['good', 'warm', 'bad'].map((text) => [text, [`${text}-soft`, 'surface']] as const),
];

/** WCAG 2.2, level AA, for text of any size. */
const MIN_CONTRAST = 4.5;

describe.each([
  ['light', light],
  ['dark', dark],
])('in the %s theme', (_, theme) => {
  const colours = new Map(
    [...theme.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = '', hex = '']) => [name, hex]),
  );

  test.each(PAIRS.flatMap(([text, grounds]) => grounds.map((ground) => [text, ground] as const)))(
    '%s can be read on %s',
    (text, ground) => {
      const [one, other] = [luminance(colours.get(text)), luminance(colours.get(ground))];
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      expect(contrast).toBeGreaterThanOrEqual(MIN_CONTRAST);
    },
  );
});

/** Relative luminance as WCAG defines it. */
function luminance(hex: string | undefined): number {
  if (hex === undefined) throw new Error('a colour is not defined');
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
