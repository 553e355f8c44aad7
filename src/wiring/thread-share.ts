import type { Config } from '../config.ts';
import { MAX_WAITING_MANIFESTS } from '../http/manifest-budget.ts';
import type { Thread } from '../threads/thread.ts';

const MIB = 1024 * 1024;

/** What a thread needs to work at all. With very many threads, these add up to more than the setting. */
const MIN_VIEW_MEMORY = 8 * MIB;
const MIN_CONTENT_CACHE = MIB;
const MIN_PAST_MEMORY = 4 * MIB;
/** One manifest of the maximum size. */
const MIN_MANIFEST_BUFFER = 4 * MIB;
/** With fewer, an upload could not fill a part while it sends another one. */
const MIN_PARTS = 2;
const MIN_WAITING_MANIFESTS = 4;

export function threadsOf(thread: Thread): number {
  return thread.kind === 'alone' ? 1 : thread.count;
}

export interface ThreadShare extends Config {
  /** How many threads have such a part. */
  readonly threadCount: number;
  /** Bodies of manifests that may wait for memory. */
  readonly waitingManifests: number;
}

/**
 * The settings with the part of the process's memory that one of its threads may use. Each thread fills its part by itself: the kernel
 * spreads connections about evenly, and memory that is lent to another thread could only be given back by it.
 */
export function shareOf(config: Config, threads: number): ThreadShare {
  const part = (whole: number, min: number): number => Math.max(Math.floor(whole / threads), Math.min(whole, min));
  return {
    ...config,
    threadCount: threads,
    viewMemory: part(config.viewMemory, MIN_VIEW_MEMORY),
    contentCache: part(config.contentCache, MIN_CONTENT_CACHE),
    pastMemory: part(config.pastMemory, MIN_PAST_MEMORY),
    manifestBuffer: part(config.manifestBuffer, MIN_MANIFEST_BUFFER),
    uploadBuffer: part(config.uploadBuffer, MIN_PARTS * config.s3PartSize),
    waitingManifests: part(MAX_WAITING_MANIFESTS, MIN_WAITING_MANIFESTS),
  };
}
