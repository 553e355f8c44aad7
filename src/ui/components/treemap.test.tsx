import { expect, test } from 'bun:test';
import { renderToString } from '../jsx/render.js';
import { ANY_WINDOW, type Frame, Tile, WIDE_AND_NARROW } from './treemap.tsx';

const [WIDE = ANY_WINDOW, NARROW = ANY_WINDOW] = WIDE_AND_NARROW;

/** The texts in a rectangle of this size, with the class that says where they are shown. */
function textsIn(frame: Frame, width: number, height: number, name = '8bdce350a5d2'): string[] {
  const box = { x: 0, y: 0, width, height };
  const html = renderToString(<Tile href={undefined} label="" about="293 KiB" parts={[]} {...{ frame, box, name }} />);
  return [...html.matchAll(/<text class="tile-\w+ on-\w+ (tile-\w+)"[^>]*>([^<]*)</g)].map(
    ([, shown, text]) => `${shown} ${text}`,
  );
}

test('a rectangle has both texts, only the size, or none, as it has room on the narrowest window', () => {
  expect(textsIn(NARROW, 128, 100)).toEqual(['tile-always 8bdce350a5d2', 'tile-always 293 KiB']);
  expect(textsIn(NARROW, 64, 100)).toEqual(['tile-always 293 KiB']);
  expect(textsIn(NARROW, 50, 100)).toEqual([]);
  expect(textsIn(NARROW, 128, 20)).toEqual([]);
});

test('in wider windows more rectangles have texts', () => {
  expect(textsIn(WIDE, 500, 100)).toEqual(['tile-always 8bdce350a5d2', 'tile-always 293 KiB']);
  expect(textsIn(WIDE, 200, 100)).toEqual(['tile-wide 8bdce350a5d2', 'tile-wide 293 KiB']);
});

test('a long name is cut where it has no room', () => {
  expect(textsIn(NARROW, 128, 40, 'a-repository-with-a-long-name')).toEqual(['tile-always a-repository…']);
});
