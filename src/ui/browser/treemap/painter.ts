import { formatBytes, shortDigest } from '../../format.ts';
import type { Box, PartBox } from '../../models/treemap.ts';
import type { Scene } from '../../models/treemap-scene.ts';

interface Colours {
  readonly own: string;
  readonly shared: string;
  readonly unknown: string;
  readonly gap: string;
  readonly text: string;
}

/** Smaller boxes have no text. */
const [MIN_TEXT_WIDTH, ONE_LINE, TWO_LINES] = [44, 26, 46];
const [MARGIN, FIRST_LINE, SECOND_LINE] = [8, 20, 37];
/** Of a longer name, so much is shown or nothing. */
const MIN_CHARACTERS = 6;
/** Between repositories. */
const FRAME = 3;
/** Around a text, so that no line between two parts crosses it. */
const HALO = 6;
/** Texts whose width is remembered. */
const MAX_WIDTHS = 5_000;

/** Paints a scene. A canvas, because thousands of elements cannot be moved 60 times a second. */
export class Painter {
  readonly #canvas: HTMLCanvasElement;
  readonly #widths = new Map<string, number>();
  #colours: Colours;
  #bold = '';
  #plain = '';

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#colours = coloursOf(canvas);
  }

  /** The theme, or the size of the window, is another one. */
  renew(width: number, height: number): void {
    const scale = globalThis.devicePixelRatio;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    this.#colours = coloursOf(this.#canvas);
    const style = getComputedStyle(this.#canvas);
    this.#bold = `620 13px ${style.fontFamily}`;
    this.#plain = `400 13px ${style.fontFamily}`;
    this.#widths.clear();
  }

  paint(scene: Scene): void {
    const context = this.#canvas.getContext('2d');
    if (context === null) return;
    const { width, height } = scene;
    const scale = globalThis.devicePixelRatio;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = this.#colours.gap;
    context.fillRect(0, 0, width, height);
    for (const sharing of ['own', 'shared', 'unknown'] as const) {
      context.fillStyle = this.#colours[sharing];
      scene.parts.forEach((part, at) => {
        if (part.sharing === sharing) fill(context, scene.partBox(at), width, height);
      });
    }
    context.fillStyle = this.#colours.text;
    context.lineJoin = 'round';
    context.font = this.#bold;
    scene.repositories.forEach(({ name, bytes, count, parts }, at) => {
      const box = scene.repositoryBox(at);
      if (isOutside(box, width, height)) return;
      context.strokeStyle = this.#colours.gap;
      context.lineWidth = FRAME;
      context.strokeRect(box.x, box.y, box.width, box.height);
      if (scene.focus !== undefined) return;
      context.strokeStyle = this.#colours[parts[0]?.sharing ?? 'unknown'];
      context.lineWidth = HALO;
      this.#write(context, box, name === undefined ? `${count} more` : lastOf(name), formatBytes(bytes));
    });
    if (scene.focus === undefined) return;
    for (const at of scene.partsOf(scene.focus)) {
      const part = scene.parts[at];
      if (part === undefined) continue;
      context.strokeStyle = this.#colours[part.sharing];
      context.lineWidth = HALO;
      this.#write(context, scene.partBox(at), nameOf(part), formatBytes(part.bytes));
    }
  }

  #write(context: CanvasRenderingContext2D, { x, y, width, height }: Box, name: string, about: string): void {
    if (width < MIN_TEXT_WIDTH || height < ONE_LINE) return;
    const room = width - 2 * MARGIN;
    const text = this.#fitting(context, name, room);
    if (text === undefined) return;
    const lines = [{ text, below: FIRST_LINE, font: this.#bold }];
    // A number that is cut would be another number.
    if (height >= TWO_LINES && this.#widthOf(context, about) <= room)
      lines.push({ text: about, below: SECOND_LINE, font: this.#plain });
    // First both halos: the one of the second line would cover the ends of letters of the first.
    for (const { text, below, font } of lines) {
      context.font = font;
      context.strokeText(text, x + MARGIN, y + below);
    }
    for (const { text, below, font } of lines) {
      context.font = font;
      context.fillText(text, x + MARGIN, y + below);
    }
    context.font = this.#bold;
  }

  #fitting(context: CanvasRenderingContext2D, text: string, room: number): string | undefined {
    const width = this.#widthOf(context, text);
    if (width <= room) return text;
    const characters = Math.floor((text.length * room) / width) - 1;
    return characters < MIN_CHARACTERS ? undefined : `${text.slice(0, characters)}…`;
  }

  #widthOf(context: CanvasRenderingContext2D, text: string): number {
    const width = this.#widths.get(text) ?? context.measureText(text).width;
    if (this.#widths.size < MAX_WIDTHS) this.#widths.set(text, width);
    return width;
  }
}

function fill(context: CanvasRenderingContext2D, box: Box, width: number, height: number): void {
  if (isOutside(box, width, height)) return;
  // A gap of one pixel, unless nothing would be left.
  context.fillRect(box.x + 0.5, box.y + 0.5, Math.max(0.5, box.width - 1), Math.max(0.5, box.height - 1));
}

function isOutside(box: Box, width: number, height: number): boolean {
  return box.x >= width || box.y >= height || box.x + box.width <= 0 || box.y + box.height <= 0;
}

function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(name);
  return { own: of('--own'), shared: of('--shared'), unknown: of('--line'), gap: of('--surface'), text: of('--ink') };
}

export function lastOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

export function nameOf({ digest, count }: PartBox): string {
  return digest === undefined ? `${count} smaller` : shortDigest(digest);
}
