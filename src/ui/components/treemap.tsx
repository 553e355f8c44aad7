import { HOME, STORAGE } from '../addresses.ts';
import type { Child } from '../jsx/jsx-runtime.js';
import type { PartBox } from '../models/treemap.ts';

/** Both pictures are laid out in this rectangle; places are told in percent, so that they fit any width. */
export const [WIDTH, HEIGHT] = [1_000, 450];

interface TreemapProps {
  /** For readers of the page. */
  readonly label: string;
  /** Where the script gets what it draws instead; without it the picture stays as it is. */
  readonly map?: string | undefined;
  readonly children: Child;
}

/** A frame of a fixed height around a picture of rectangles, and what their colours mean. */
export function Treemap({ label, map, children }: TreemapProps) {
  return (
    <figure class="treemap" data-treemap={map} data-storage={STORAGE} data-search={HOME}>
      <div class="treemap-frame">
        <svg class="treemap-picture">
          <title>{label}</title>
          {children}
        </svg>
      </div>
      <figcaption class="treemap-legend">
        <span class="key-own">Own</span>
        <span class="key-shared">Shared with others</span>
        <span class="treemap-hint" data-treemap-hint>
          The larger a rectangle, the more bytes it has.
        </span>
      </figcaption>
    </figure>
  );
}

interface TileProps {
  readonly href: string | undefined;
  /** What it is and how large, for readers of the page and on hover. */
  readonly label: string;
  readonly name: string;
  readonly about: string;
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** What fills it, with places as for `box`. */
  readonly parts: readonly PartBox[];
}

/** One rectangle that is a link. Its texts are cut at its border. */
export function Tile({ href, label, name, about, box, parts }: TileProps) {
  const shown = shownFrom(box, Math.max(name.length, about.length));
  const ground = `on-${parts[0]?.sharing ?? 'unknown'}`;
  const picture = (
    <svg
      x={percent(box.x, WIDTH)}
      y={percent(box.y, HEIGHT)}
      width={percent(box.width, WIDTH)}
      height={percent(box.height, HEIGHT)}
    >
      <title>{label}</title>
      {parts.map((part, at) => (
        <rect
          key={at}
          class={`tile-${part.sharing}`}
          x={percent(part.x - box.x, box.width)}
          y={percent(part.y - box.y, box.height)}
          width={percent(part.width, box.width)}
          height={percent(part.height, box.height)}
        />
      ))}
      <rect class={parts.length > 1 ? 'tile-frame' : 'tile-edge'} width="100%" height="100%" />
      {shown !== undefined && (
        <svg aria-hidden="true">
          <text class={`tile-name ${ground} ${shown}`} x="8" y="20">
            {name}
          </text>
          {box.height > TWO_LINES && (
            <text class={`tile-about ${ground} ${shown}`} x="8" y="37">
              {about}
            </text>
          )}
        </svg>
      )}
    </svg>
  );
  return href === undefined ? (
    picture
  ) : (
    <a class="tile" href={href}>
      {picture}
    </a>
  );
}

/** Heights from which texts have room. */
const [ONE_LINE, TWO_LINES] = [28, 48];
/** How wide the picture is at least in any window, in windows of middle size, and in wide ones: pixels. */
const PICTURES = [
  ['tile-always', 256],
  ['tile-wide', 660],
  ['tile-widest', 1_100],
] as const;
/** Estimated pixels of a character, and on both sides of a text. */
const [CHARACTER, ASIDE] = [8, 12];
/** Longer names are cut at the border where they have no room. */
const MIN_CHARACTERS = 12;

/** @returns the class of texts that are shown where they have room; undefined: nowhere */
function shownFrom({ width, height }: TileProps['box'], characters: number): string | undefined {
  if (height < ONE_LINE) return undefined;
  const needed = Math.min(characters, MIN_CHARACTERS) * CHARACTER + ASIDE;
  return PICTURES.find(([, picture]) => (width / WIDTH) * picture >= needed)?.[0];
}

function percent(value: number, of: number): string {
  return `${((value / of) * 100).toFixed(2)}%`;
}
