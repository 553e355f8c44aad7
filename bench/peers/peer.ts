// A server under measurement, and what the bench does to it apart from HTTP requests.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../place.ts';
import type { Manifest } from '../registry.ts';

export interface Peer {
  /** host:port */
  address: string;
  /** Folder whose bytes are this server's own. */
  data: string;
  child: Child;
  /** Servers that it leans on, by their process ids. */
  helpers?: Readonly<Record<string, number>>;
}

export interface Registry extends Peer {
  /** Creates many tags of one existing manifest, in the fastest way whose result equals that of pushes. */
  plantTags: (repository: string, tags: readonly string[], manifest: Manifest) => Promise<void>;
}

const START_DEADLINE_MS = 30_000;

/** Waits for a 200. @throws with the last output of a process that exited meanwhile */
export async function ready(child: Child, url: string, log: string, pause = 20): Promise<void> {
  let code: number | null | undefined;
  child.exited.then(
    (value) => {
      code = value;
    },
    () => {
      code = null;
    },
  );
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    if (code !== undefined) {
      throw new Error(`a server ended with ${code} at its start: ${await lastWords(log)}`);
    }
    if (performance.now() > deadline) {
      throw new Error(`no answer from ${url} within ${START_DEADLINE_MS / 1000} s: ${await lastWords(log)}`);
    }
    try {
      const response = await fetch(url, { keepalive: false });
      await response.arrayBuffer();
      if (response.status === 200) {
        return;
      }
    } catch (error) {
      // Until it listens, every attempt is refused.
      if (!(error instanceof Error && 'code' in error && REFUSED.has(String(error.code)))) {
        throw error;
      }
    }
    await sleep(pause);
  }
}

const REFUSED = new Set(['ConnectionRefused', 'ECONNREFUSED', 'ECONNRESET', 'ConnectionClosed']);

async function lastWords(log: string): Promise<string> {
  const text = await Bun.file(log).text();
  return text.slice(-600).trim() || 'it wrote nothing';
}
