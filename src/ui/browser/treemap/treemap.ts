import { cut, formatBytes } from '../../format.ts';
import type { StorageMap } from '../../models/storage-map.ts';
import type { PartBox, RepositoryBox } from '../../models/treemap.ts';
import { Scene } from '../../models/treemap-scene.ts';
import { nameOf, Painter } from './painter.ts';

/** From all repositories to one, in milliseconds. */
const GOING_MS = 420;
const MAX_NAME = 80;

/**
 * A figure with `data-treemap` is drawn again, with the thousands of parts that are at that address: a click on a repository goes into it.
 * If they cannot be loaded, the figure stays as the server has drawn it.
 */
export function drawTreemap(): void {
  const figure = document.querySelector<HTMLElement>('[data-treemap]');
  const frame = figure?.querySelector<HTMLElement>('.treemap-frame');
  const address = figure?.dataset.treemap;
  if (figure === null || frame === null || frame === undefined || address === undefined) return;
  void load(address).then((map) => {
    if (map !== undefined && map.repositories.length > 0) new Treemap(figure, frame, map).open();
  });
}

async function load(address: string): Promise<StorageMap | undefined> {
  try {
    const response = await fetch(address);
    if (!response.ok) return undefined;
    const map: StorageMap = await response.json();
    return map;
  } catch (error) {
    // The registry cannot be reached.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

class Treemap {
  readonly #scene: Scene;
  readonly #painter: Painter;
  readonly #frame: HTMLElement;
  readonly #canvas = document.createElement('canvas');
  /** A link over each box: it has the keyboard's focus, the pointer's shape, and its address. */
  readonly #tiles = document.createElement('div');
  /** Pages that the links lead to. */
  readonly #storage: string | undefined;
  readonly #search: string | undefined;
  readonly #hint: Element | null;
  readonly #bar: Element | null | undefined;
  /** When the way began that it is on. */
  #beganAt: number | undefined;
  /** The repository whose tile gets the keyboard's focus at the end of the way. */
  #focusAt: number | undefined;

  constructor(figure: HTMLElement, frame: HTMLElement, map: StorageMap) {
    this.#frame = frame;
    this.#storage = figure.dataset.storage;
    this.#search = figure.dataset.search;
    this.#hint = figure.querySelector('[data-treemap-hint]');
    this.#bar = figure.closest('.card')?.querySelector('[data-treemap-bar]');
    this.#canvas.className = 'treemap-canvas';
    this.#tiles.className = 'treemap-tiles';
    this.#scene = new Scene(map);
    this.#painter = new Painter(this.#canvas);
  }

  open(): void {
    this.#frame.replaceChildren(this.#canvas, this.#tiles);
    this.#frame.addEventListener('pointermove', (event) => this.#tell(event));
    this.#frame.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.#goTo(undefined, true);
    });
    new ResizeObserver(() => this.#renew()).observe(this.#frame);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#renew());
  }

  #renew(): void {
    const { clientWidth, clientHeight } = this.#frame;
    this.#beganAt = undefined;
    this.#scene.resize(clientWidth, clientHeight);
    this.#painter.renew(clientWidth, clientHeight);
    this.#painter.paint(this.#scene);
    this.#placeTiles();
  }

  /** @param byKeyboard the keyboard's focus goes with it */
  #goTo(focus: number | undefined, byKeyboard: boolean): void {
    const before = this.#scene.focus;
    if (focus === before) return;
    this.#scene.goTo(focus);
    this.#tiles.replaceChildren();
    this.#showBar(focus);
    this.#focusAt = byKeyboard && focus === undefined ? before : undefined;
    if (byKeyboard) this.#bar?.querySelector('button')?.focus();
    const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const wasRunning = this.#beganAt !== undefined;
    this.#beganAt = performance.now() - (isStill ? GOING_MS : 0);
    if (!wasRunning) requestAnimationFrame(() => this.#step());
  }

  #step(): void {
    // Another size has ended the way.
    if (this.#beganAt === undefined) return;
    const done = Math.min(1, (performance.now() - this.#beganAt) / GOING_MS);
    this.#scene.step(eased(done));
    this.#painter.paint(this.#scene);
    if (done < 1) {
      requestAnimationFrame(() => this.#step());
      return;
    }
    this.#beganAt = undefined;
    this.#placeTiles();
    this.#tiles.querySelector<HTMLElement>(`[data-at="${this.#focusAt}"]`)?.focus();
    this.#focusAt = undefined;
  }

  #placeTiles(): void {
    const { focus } = this.#scene;
    const tiles =
      focus === undefined
        ? this.#scene.repositories.map((box, at) => this.#repositoryTile(box, at))
        : this.#scene.partsOf(focus).flatMap((at) => this.#partTile(at) ?? []);
    this.#tiles.replaceChildren(...tiles);
  }

  #repositoryTile(box: RepositoryBox, at: number): HTMLElement {
    const { name } = box;
    const href = name === undefined ? addressOf(this.#search, { sort: 'size' }) : this.#storageOf(name);
    const tile = link(href, aboutRepository(box));
    place(tile, this.#scene.repositoryBox(at));
    tile.dataset.at = String(at);
    tile.addEventListener('focus', () => this.#say(aboutRepository(box)));
    if (name === undefined) return tile;
    tile.addEventListener('click', (event) => {
      // Another tab, another window: the page of the repository.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      // A click by the keyboard has no place.
      this.#goTo(at, event.detail === 0);
    });
    return tile;
  }

  #partTile(at: number): HTMLElement | undefined {
    const part = this.#scene.parts[at];
    if (part?.digest === undefined) return undefined;
    const tile = link(addressOf(this.#search, { q: part.digest }), aboutPart(part));
    place(tile, this.#scene.partBox(at));
    tile.addEventListener('focus', () => this.#say(aboutPart(part)));
    return tile;
  }

  #showBar(focus: number | undefined): void {
    const name = focus === undefined ? undefined : this.#scene.repositories[focus]?.name;
    if (name === undefined) {
      this.#bar?.replaceChildren();
      return;
    }
    const back = document.createElement('button');
    back.type = 'button';
    back.className = 'button button-small';
    back.textContent = 'All repositories';
    back.addEventListener('click', (event) => this.#goTo(undefined, event.detail === 0));
    back.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.#goTo(undefined, true);
    });
    const about = document.createElement('a');
    about.href = this.#storageOf(name);
    about.textContent = cut(name, MAX_NAME);
    this.#bar?.replaceChildren(about, back);
  }

  #tell({ clientX, clientY }: PointerEvent): void {
    const { left, top } = this.#frame.getBoundingClientRect();
    const found = this.#scene.find(clientX - left, clientY - top);
    const repository = found && this.#scene.repositories[found.repository];
    const part = found && this.#scene.parts[found.part];
    if (repository === undefined || part === undefined) return;
    this.#say(
      repository.name === undefined
        ? aboutRepository(repository)
        : `${aboutRepository(repository)} · ${aboutPart(part)}`,
    );
  }

  #storageOf(repository: string): string {
    return addressOf(this.#storage, { repository });
  }

  #say(text: string): void {
    if (this.#hint !== null) this.#hint.textContent = text;
  }
}

function addressOf(page: string | undefined, query: Readonly<Record<string, string>>): string {
  return `${page}?${new URLSearchParams(query)}`;
}

function link(href: string, label: string): HTMLAnchorElement {
  const element = document.createElement('a');
  element.href = href;
  element.setAttribute('aria-label', label);
  return element;
}

function place({ style }: HTMLElement, box: { x: number; y: number; width: number; height: number }): void {
  style.left = `${box.x}px`;
  style.top = `${box.y}px`;
  style.width = `${box.width}px`;
  style.height = `${box.height}px`;
}

function aboutRepository({ name, bytes, count }: RepositoryBox): string {
  const who = name === undefined ? `${count} smaller repositories` : cut(name, MAX_NAME);
  return `${who} ${formatBytes(bytes)}`;
}

function aboutPart(part: PartBox): string {
  return `${nameOf(part)} ${formatBytes(part.bytes)}${sharingTextOf(part)}`;
}

function sharingTextOf({ sharing, sharedWith }: PartBox): string {
  switch (sharing) {
    case 'own':
      return ', own';
    case 'shared':
      return sharedTextOf(sharedWith);
    case 'unknown':
      return '';
  }
}

function sharedTextOf(sharedWith: number | undefined): string {
  return sharedWith === undefined ? ', shared' : `, shared with ${sharedWith}`;
}

/** Slow at both ends. */
function eased(done: number): number {
  return done < 0.5 ? 4 * done ** 3 : 1 - (-2 * done + 2) ** 3 / 2;
}
