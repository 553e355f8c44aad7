import type { Random } from '../support/drill/random.ts';
import { type Content, content, emptyConfig, image, mediaTypes, pushBlob, pushImage } from '../support/oci.ts';
import { Stack } from './stack.ts';

const NODES = 8;
const WARM_UP = 3;
const PUSHES = 40;
const REPOSITORY = 'drill/crowd';

export interface Crowd {
  /** Milliseconds. */
  readonly median: number;
  readonly slowest: number;
  /** The slowest push of each node. */
  readonly slowestOf: readonly number[];
}

/** Eight nodes push images to one repository as fast as they can. @returns the times of pushes, including the slowest of each node */
export async function crowd(random: Random): Promise<Crowd> {
  const stack = await Stack.start(NODES, random);
  try {
    await pushBlob(stack.url, REPOSITORY, emptyConfig);
    const all = await Promise.all(stack.nodes.map(({ url }, node) => pushes(url, random.child(`node ${node}`))));
    const sorted = all.flat().sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    const slowestOf = all.map((times) => Math.max(...times));
    return { median, slowest: Math.max(...slowestOf), slowestOf };
  } finally {
    await stack.stop();
  }
}

async function pushes(url: string, random: Random): Promise<readonly number[]> {
  const times: number[] = [];
  for (let push = 0; push < WARM_UP + PUSHES; push++) {
    const layer: Content = content(random.bytes(200), mediaTypes.layer);
    const begin = performance.now();
    await pushImage(url, REPOSITORY, { ...image({ config: emptyConfig, layers: [layer] }), blobs: [layer] }, 'latest');
    if (push >= WARM_UP) times.push(performance.now() - begin);
  }
  return times;
}
