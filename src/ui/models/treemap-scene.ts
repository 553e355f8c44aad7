import type { StorageMap } from './storage-map.ts';
import { type Box, layOut, layOutParts, type PartBox, type RepositoryBox } from './treemap.ts';

/** Numbers of a box in an array: x, y, width, height. */
const SIZE = 4;

/** What the pointer is on. */
export interface Found {
  /** In `repositories`. */
  readonly repository: number;
  /** In the parts of all repositories. */
  readonly part: number;
}

/** Boxes of parts and of repositories. Flat arrays, because thousands change with each frame. */
interface Places {
  readonly parts: Float64Array;
  readonly repositories: Float64Array;
}

/**
 * Where each repository and each part is, while the picture goes from all repositories to one of them and back. It knows nothing of the
 * browser.
 */
export class Scene {
  readonly #map: StorageMap;
  #width = 0;
  #height = 0;
  #repositories: readonly RepositoryBox[] = [];
  #parts: readonly PartBox[] = [];
  /** The repository of each part. */
  #owners: readonly number[] = [];
  #focus: number | undefined;
  #from: Places = placesOf(0, 0);
  #to: Places = placesOf(0, 0);
  #now: Places = placesOf(0, 0);

  constructor(map: StorageMap) {
    this.#map = map;
  }

  get repositories(): readonly RepositoryBox[] {
    return this.#repositories;
  }

  get parts(): readonly PartBox[] {
    return this.#parts;
  }

  /** The repository that fills the picture; undefined: all do. */
  get focus(): number | undefined {
    return this.#focus;
  }

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  /** Lays everything out in a rectangle of this size, at once. */
  resize(width: number, height: number): void {
    this.#width = width;
    this.#height = height;
    this.#repositories = layOut(this.#map, width, height);
    this.#parts = this.#repositories.flatMap(({ parts }) => parts);
    this.#owners = this.#repositories.flatMap(({ parts }, at) => parts.map(() => at));
    this.#to = this.#placesFor(this.#focus);
    this.#from = this.#to;
    this.#now = copyOf(this.#to);
  }

  /** Begins to go to one repository, or to all. `step` takes it there. */
  goTo(focus: number | undefined): void {
    this.#focus = focus;
    this.#from = copyOf(this.#now);
    this.#to = this.#placesFor(focus);
  }

  /** @param done how much of the way is behind, from 0 to 1 */
  step(done: number): void {
    mix(this.#from.parts, this.#to.parts, this.#now.parts, done);
    mix(this.#from.repositories, this.#to.repositories, this.#now.repositories, done);
  }

  /** Where a part is now. It may be outside of the picture. */
  partBox(at: number): Box {
    return boxOf(this.#now.parts, at);
  }

  repositoryBox(at: number): Box {
    return boxOf(this.#now.repositories, at);
  }

  /** Numbers of the parts of a repository. */
  partsOf(repository: number): readonly number[] {
    return this.#owners.flatMap((owner, at) => (owner === repository ? [at] : []));
  }

  /** What is at a place. */
  find(x: number, y: number): Found | undefined {
    const { parts } = this.#now;
    for (let at = 0; at < this.#parts.length; at++) {
      const [left = 0, top = 0, width = 0, height = 0] = parts.subarray(at * SIZE, at * SIZE + SIZE);
      if (x < left || y < top || x >= left + width || y >= top + height) continue;
      return { repository: this.#owners[at] ?? 0, part: at };
    }
    return undefined;
  }

  #placesFor(focus: number | undefined): Places {
    const places = placesOf(this.#parts.length, this.#repositories.length);
    for (const [at, box] of this.#parts.entries()) write(places.parts, at, box);
    for (const [at, box] of this.#repositories.entries()) write(places.repositories, at, box);
    const chosen = focus === undefined ? undefined : this.#repositories[focus];
    if (focus === undefined || chosen === undefined) return places;
    this.#magnify(places.parts, chosen);
    this.#magnify(places.repositories, chosen);
    // Its parts are laid out again: what was narrow in a narrow box need not be so in the whole picture.
    const first = this.#owners.indexOf(focus);
    const repository = this.#map.repositories.find(({ name }) => name === chosen.name);
    const laid = repository === undefined ? [] : layOutParts(repository, this.#width, this.#height);
    for (const [at, box] of laid.entries()) write(places.parts, first + at, box);
    return places;
  }

  /** As if one box were stretched over the whole picture. */
  #magnify(places: Float64Array, { x, y, width, height }: Box): void {
    const [across, down] = [this.#width / width, this.#height / height];
    for (let at = 0; at < places.length; at += SIZE) {
      places[at] = ((places[at] ?? 0) - x) * across;
      places[at + 1] = ((places[at + 1] ?? 0) - y) * down;
      places[at + 2] = (places[at + 2] ?? 0) * across;
      places[at + 3] = (places[at + 3] ?? 0) * down;
    }
  }
}

function placesOf(parts: number, repositories: number): Places {
  return { parts: new Float64Array(parts * SIZE), repositories: new Float64Array(repositories * SIZE) };
}

function copyOf({ parts, repositories }: Places): Places {
  return { parts: parts.slice(), repositories: repositories.slice() };
}

function mix(from: Float64Array, to: Float64Array, into: Float64Array, done: number): void {
  for (let at = 0; at < into.length; at++) into[at] = (from[at] ?? 0) * (1 - done) + (to[at] ?? 0) * done;
}

function write(places: Float64Array, at: number, { x, y, width, height }: Box): void {
  places.set([x, y, width, height], at * SIZE);
}

function boxOf(places: Float64Array, at: number): Box {
  const [x = 0, y = 0, width = 0, height = 0] = places.subarray(at * SIZE, at * SIZE + SIZE);
  return { x, y, width, height };
}
