// A server under measurement, and how the bench controls it apart from HTTP requests.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../place.ts';
import type { Manifest } from '../registry.ts';

export interface Peer {
  /** host:port */
  address: string;
  /** Folder with this server's data. */
  data: string;
  child: Child;
  /** Process ids of the services that it uses, by name. */
  helpers?: Readonly<Record<string, number>>;
}

export interface Registry extends Peer {
  /** Creates many tags of one existing manifest in the fastest way that has the same result as pushing them. */
  plantTags: (repository: string, tags: readonly string[], manifest: Manifest) => Promise<void>;
}

const START_DEADLINE_MS = 30_000;

/** A certificate and its key, in files. */
export interface TlsFiles {
  cert: string;
  key: string;
}

/** Waits for a 200. @throws Error with the last output of the process if it exits, or if there is no 200 in time */
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
      throw new Error(`a server exited with ${code} at startup: ${await tailOf(log)}`);
    }
    if (performance.now() > deadline) {
      throw new Error(`no response from ${url} within ${START_DEADLINE_MS / 1000} s: ${await tailOf(log)}`);
    }
    try {
      // The load generator checks certificates; this only waits.
      const response = await fetch(url, { keepalive: false, tls: { rejectUnauthorized: false } });
      await response.arrayBuffer();
      if (response.status === 200) {
        return;
      }
    } catch (error) {
      // Until the server listens, connections are refused.
      if (!(error instanceof Error && 'code' in error && REFUSED.has(String(error.code)))) {
        throw error;
      }
    }
    await sleep(pause);
  }
}

const REFUSED = new Set(['ConnectionRefused', 'ECONNREFUSED', 'ECONNRESET', 'ConnectionClosed']);

async function tailOf(log: string): Promise<string> {
  const text = await Bun.file(log).text();
  return text.slice(-600).trim() || 'it wrote nothing';
}
