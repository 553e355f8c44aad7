// Builds the load generator once per version of its source, and runs orders with it.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Place } from './place.ts';

const loadSchema = z.object({
  count: z.number(),
  requests: z.number(),
  bytes: z.number(),
  errors: z.number(),
  error: z.string().optional(),
  seconds: z.number(),
  p50ms: z.number(),
  p90ms: z.number(),
  p99ms: z.number(),
  /** Seconds until the first and the last connection were done, for `upload` and `download`. */
  fastest: z.number().optional(),
  slowest: z.number().optional(),
  busy: z.number(),
  digest: z.string().optional(),
});
export type Load = z.infer<typeof loadSchema>;

export interface Target {
  method: 'GET' | 'HEAD';
  path: string;
  accept?: string;
  authorization?: string;
  status?: number;
  /** Expected length of the body; -1 for any length. */
  bytes: number;
}

export type Order =
  /** With `addresses` the connections go to these in turn. */
  | {
      mode: 'fixed';
      targets: readonly Target[];
      connections: number;
      seconds?: number;
      requests?: number;
      addresses?: readonly string[];
    }
  /** `rate` requests a second, however long responses take. */
  | { mode: 'fixed'; targets: readonly Target[]; connections: number; seconds: number; rate: number }
  | {
      mode: 'push';
      repositories: readonly string[];
      layerBytes: number;
      configDigest: string;
      configBytes: number;
      seed: string;
      connections: number;
      seconds: number;
    }
  | {
      mode: 'upload';
      repositories: readonly [string];
      parallel: number;
      bytes: number;
      form: 'put' | 'patch';
      seed: string;
    }
  | { mode: 'download'; path: string; parallel: number; bytes: number; times: number }
  /** Each request over a new connection with TLS. `bytes`: expected length of the body. */
  | { mode: 'secure'; ca: string; path: string; parallel: number; bytes: number; times?: number; seconds?: number }
  | { mode: 'walk'; path: string; tags: number; times: number };

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'marina-tools');
}

export class Loadgen {
  readonly #place: Place;
  readonly #binary: string;

  private constructor(place: Place, binary: string) {
    this.#place = place;
    this.#binary = binary;
  }

  static async build(place: Place): Promise<Loadgen> {
    const source = join(import.meta.dir, 'loadgen');
    const hash = createHash('sha256');
    for (const name of readdirSync(source).sort()) {
      hash.update(name).update(readFileSync(join(source, name)));
    }
    const binary = join(cacheFolder(), `loadgen-${hash.digest('hex').slice(0, 16)}`);
    if (!existsSync(binary)) {
      if (Bun.which('go') === null) {
        throw new Error('the bench needs Go to build its client (bench/loadgen): install it and put it on the PATH');
      }
      mkdirSync(cacheFolder(), { recursive: true });
      const fresh = `${binary}.${process.pid}`;
      await place.call(['go', 'build', '-C', source, '-mod=mod', '-o', fresh, '.']);
      renameSync(fresh, binary);
    }
    return new Loadgen(place, binary);
  }

  /** Runs one order. @throws Error if any response is not the expected one, because the speed of wrong responses is no result */
  async run(address: string, order: Order): Promise<Load> {
    const text = await this.#place.call([this.#binary], JSON.stringify({ address, ...order }));
    const load = loadSchema.parse(JSON.parse(text));
    if (load.errors > 0 || load.count === 0) {
      throw new Error(`${load.errors} errors, ${load.count} done; the first error: ${load.error ?? 'none'}`);
    }
    return load;
  }
}
