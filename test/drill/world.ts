import { appendFileSync } from 'node:fs';
import type { History, Register, Value } from '../support/drill/history.ts';
import type { Figures } from './figures.ts';
import { Told } from './told.ts';

/** A manifest that a client pushed, or tried to push. */
export interface KnownManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly blobs: readonly string[];
  readonly subject?: string;
}

/** The conditions of a drill. */
export interface Terms {
  /** Only Redis fails, and every pull must be answered. */
  readonly pullsGoOn: boolean;
  /** Redis may lose uploads in progress, or set them back. */
  readonly sessions: 'kept' | 'lost' | 'lost or older';
}

export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly node: number | undefined;
  /** Milliseconds since the drill began. */
  readonly begin: number;
  readonly end: number;
  readonly status: number | undefined;
}

export const REPOSITORIES = ['drill/one', 'drill/two', 'drill-three'] as const;
/** Few, so that clients move the same tags concurrently. */
export const TAGS = Array.from({ length: 20 }, (_, number) => `tag-${number}`);
const MAX_PUSHABLE = 30;

/** The shared knowledge of all clients. */
export class World {
  readonly history: History;
  readonly told = new Told();
  /** Every manifest that was sent, by digest. */
  readonly manifests = new Map<string, KnownManifest>();
  /** Repositories with an acknowledged push. */
  readonly repositories = new Set<string>();
  readonly #pushable = new Map<string, KnownManifest[]>();
  readonly #recorded: Recorded[] = [];
  readonly #file = process.env.DRILL_HISTORY;
  fresh = 0;
  figures: Figures;
  drill: Terms = { pullsGoOn: false, sessions: 'kept' };

  constructor(history: History, figures: Figures) {
    this.history = history;
    this.figures = figures;
  }

  /** Manifests whose blobs were all acknowledged in the repository: pushing them must succeed. */
  pushable(repository: string): KnownManifest[] {
    const known = this.#pushable.get(repository) ?? [];
    this.#pushable.set(repository, known);
    return known;
  }

  madePushable(repository: string, manifest: KnownManifest): void {
    this.manifests.set(manifest.digest, manifest);
    const all = this.pushable(repository);
    all.push(manifest);
    if (all.length > MAX_PUSHABLE) all.shift();
  }

  record(request: Recorded): void {
    this.#recorded.push(request);
    if (this.#file === undefined) return;
    appendFileSync(this.#file, `${JSON.stringify({ drill: this.figures.drill, ...request })}\n`);
  }

  /** Reports an impossible observation, with the requests about that name, newest last. */
  violate(violation: 'lost' | 'stale' | 'torn', register: Register, seen: Value, why: string): void {
    const about = this.#recorded.filter(
      ({ path }) => path.includes(register.repository) && path.includes(register.name),
    );
    const lines = about.slice(-12).map(({ method, path, node, begin, end, status }) => {
      const where = node === undefined ? '' : ` at node ${node + 1}`;
      return `    ${begin.toFixed(0)}-${end.toFixed(0)} ${method} ${path}${where}: ${status ?? 'no answer'}`;
    });
    this.figures.violate(violation, `${why}: ${seen ?? 'nothing'} of ${register}\n${lines.join('\n')}`);
  }
}
