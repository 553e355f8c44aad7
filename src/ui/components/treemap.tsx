import { HOME, STORAGE } from '../addresses.ts';
import { cut } from '../format.ts';
import type { Child } from '../jsx/jsx-runtime.js';
import type { PartBox } from '../models/treemap.ts';

/** The rectangle in which a picture is laid out. Places are told in percent, so that the picture fits any width. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  /** The windows in which the picture is shown. */
  readonly windows: 'any' | 'wide' | 'narrow';
  /** Estimated pixels of a character, also of wide fonts. */
  readonly characters: { readonly name: number; readonly about: number };
  /** How wide the picture is at least, in pixels, where texts of a class are shown; ascending. */
  readonly pictures: readonly (readonly [shown: string, pixels: number])[];
}

const WIDE: Omit<Frame, 'windows' | 'pictures'> = { width: 1_000, height: 450, characters: { name: 9, about: 7.5 } };
const WIDER_WINDOWS = [
  ['tile-wide', 660],
  ['tile-widest', 1_100],
] as const;

export const ANY_WINDOW: Frame = { ...WIDE, windows: 'any', pictures: [['tile-always', 256], ...WIDER_WINDOWS] };

/**
 * One for wide windows and one for phones: there the first one would be so narrow that its squares would become strips without room for a
 * text.
 */
export const WIDE_AND_NARROW: readonly Frame[] = [
  { ...WIDE, windows: 'wide', pictures: [['tile-always', 440], ...WIDER_WINDOWS] },
  {
    ...{ width: 256, height: 320, characters: { name: 8.5, about: 7 } },
    windows: 'narrow',
    pictures: [['tile-always', 254]],
  },
];

interface TreemapProps {
  /** Where the script gets what it draws instead; without it the picture stays as it is. */
  readonly map?: string | undefined;
  /** Pictures. */
  readonly children: Child;
}

/** A frame of a fixed height around a picture of rectangles, and what their colours mean. */
export function Treemap({ map, children }: TreemapProps) {
  return (
    <figure class="treemap" data-treemap={map} data-storage={STORAGE} data-search={HOME}>
      <div class="treemap-frame">{children}</div>
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

interface PictureProps {
  /** For readers of the page. */
  readonly label: string;
  readonly frame: Frame;
  /** Tiles. */
  readonly children: Child;
}

export function Picture({ label, frame, children }: PictureProps) {
  return (
    <svg class={`treemap-picture in-${frame.windows}`}>
      <title>{label}</title>
      {children}
    </svg>
  );
}

interface TileProps {
  /** Of the picture. */
  readonly frame: Frame;
  readonly href: string | undefined;
  /** What it is and how large, for readers of the page and on hover. */
  readonly label: string;
  readonly name: string;
  readonly about: string;
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** What fills it, with places as for `box`. */
  readonly parts: readonly PartBox[];
}

/** One rectangle that is a link. */
export function Tile({ frame, href, label, name, about, box, parts }: TileProps) {
  const ground = `on-${parts[0]?.sharing ?? 'unknown'}`;
  const picture = (
    <svg
      x={percent(box.x, frame.width)}
      y={percent(box.y, frame.height)}
      width={percent(box.width, frame.width)}
      height={percent(box.height, frame.height)}
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
      <svg aria-hidden="true">
        {linesOf(frame, box, name, about).map(({ text, kind, shown }, at) => (
          <text key={at} class={`tile-${kind} ${ground} ${shown}`} x={MARGIN} y={BASELINES[at]}>
            {text}
          </text>
        ))}
      </svg>
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

/** Pixels from the left, and from the top to each line. */
const MARGIN = 8;
const BASELINES = [20, 37];
/** Heights from which one line and two lines have room. */
const [ONE_LINE, TWO_LINES] = [28, 48];
/** Pixels on both sides of a text. */
const ASIDE = 12;
/** Longer names are cut. */
const MIN_CHARACTERS = 12;

interface Line extends Pick<Room, 'shown'> {
  readonly text: string;
  readonly kind: 'name' | 'about';
}

/** The texts that have room somewhere: both, or only the shorter one, which says how large it is. */
function linesOf(frame: Frame, box: TileProps['box'], name: string, about: string): readonly Line[] {
  if (box.height < ONE_LINE) return [];
  const { characters } = frame;
  const needed = about.length * characters.about;
  const both = roomFor(frame, box, Math.max(needed, Math.min(name.length, MIN_CHARACTERS) * characters.name));
  if (both !== undefined) {
    const { shown, pixels } = both;
    const lines: readonly Line[] = [
      { text: fitting(name, Math.floor(pixels / characters.name)), kind: 'name', shown },
      { text: about, kind: 'about', shown },
    ];
    return box.height > TWO_LINES ? lines : lines.slice(0, 1);
  }
  const room = roomFor(frame, box, needed);
  return room === undefined ? [] : [{ text: about, kind: 'about', shown: room.shown }];
}

function fitting(text: string, characters: number): string {
  return text.length <= characters ? text : cut(text, characters - 1);
}

interface Room {
  /** The class of texts that are shown where they have room. */
  readonly shown: string;
  /** For a line, at least. */
  readonly pixels: number;
}

/** @param needed pixels @returns undefined: nowhere */
function roomFor({ width, pictures }: Frame, box: TileProps['box'], needed: number): Room | undefined {
  for (const [shown, picture] of pictures) {
    const pixels = (box.width / width) * picture - ASIDE;
    if (pixels >= needed) return { shown, pixels };
  }
  return undefined;
}

function percent(value: number, of: number): string {
  return `${((value / of) * 100).toFixed(2)}%`;
}
