// Starts and stops the servers that a work needs, in new folders.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startDistribution } from '../peers/distribution.ts';
import { startMarina } from '../peers/marina.ts';
import type { Peer, Registry } from '../peers/peer.ts';
import type { Context, Settings } from '../work.ts';

export interface Pair {
  marina: Registry;
  distribution: Registry;
  /** Presigns a GET of the one object of this size in Marina's bucket; only in a cluster. */
  presign?: (bytes: number) => Promise<string>;
}

/** The servers that a work measures. The same works measure the embedded shape and the cluster. */
export interface Stage {
  /** Prefix of the names of its works. */
  prefix: string;
  /** Suffix of the titles of their rows. */
  suffix: string;
  cluster: boolean;
  /** Whether Marina's nodes keep copies of blobs that are in a bucket. */
  keepsCopies: boolean;
  withPair: <T>(context: Context, task: (pair: Pair) => Promise<T>, bulky?: boolean) => Promise<T>;
}

export const EMBEDDED: Stage = { prefix: '', suffix: '', cluster: false, keepsCopies: false, withPair };

/**
 * Runs a task with both registries on empty folders, and stops them afterwards, even if it fails. The folders stay until the end of the
 * whole run. ext4 does not reuse an inode within minutes of its removal and skips all removed ones for each new file, which would slow
 * down the next server.
 * @param bulky removes the folders immediately, for few files with many bytes
 */
async function withPair<T>(context: Context, task: (pair: Pair) => Promise<T>, bulky = false): Promise<T> {
  const { place, tools, settings } = context;
  const folder = place.folder('registries');
  const marina = await startMarina(place, join(folder, 'marina'), join(folder, 'marina.log'), {
    flags: profiler(settings),
  });
  try {
    const data = join(folder, 'distribution');
    const distribution = await startDistribution(place, tools.distribution, data, join(folder, 'distribution.log'));
    try {
      return await task({ marina, distribution });
    } finally {
      await distribution.child.stop();
    }
  } finally {
    await marina.child.stop();
    if (bulky) rmSync(folder, { recursive: true, force: true });
  }
}

/** Bun writes a readable profile and one for browser tools when the process exits. */
export function profiler({ profile }: Settings): string[] {
  return profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-md', `--cpu-prof-dir=${profile}`];
}

export async function withPeer<T>(peer: Peer, task: (peer: Peer) => Promise<T>): Promise<T> {
  try {
    return await task(peer);
  } finally {
    await peer.child.stop();
  }
}

/** Both registries, for steps that are the same for each. */
export function each(pair: Pair): Registry[] {
  return [pair.marina, pair.distribution];
}
