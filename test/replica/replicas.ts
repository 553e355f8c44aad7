// Starts replicas as operators do, and asks `marina replica` about them.

import { expect } from 'bun:test';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { NotesView } from '../../src/feed/notes/view.ts';
import { lastSlot } from '../../src/replica/verify.ts';
import { FolderArchive } from '../../src/storage/filesystem/folder-archive.ts';
import { CATALOG, repositoryOfMarker, slotKey } from '../../src/storage/paths.ts';
import { type Ended, linesOf, marinaCommand } from '../cli/marina.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, type Image } from '../support/oci.ts';
import { type Server, startServer, temporaryFolder } from '../support/server.ts';

/** The settings of a replica on a data folder. */
export interface ReplicaSettings extends Settings {
  readonly STORAGE_PATH: string;
}

/** Environment variables. */
type Settings = Readonly<Record<string, string>>;

export function replicaOf(url: string, more: Settings = {}): ReplicaSettings {
  const STORAGE_PATH = join(temporaryFolder('replica'), 'data');
  mkdirSync(STORAGE_PATH, { mode: 0o700 });
  return { REPLICA_OF: url, STORAGE_PATH, ...more };
}

export function startReplica(settings: Settings): Promise<Server> {
  return startServer(settings);
}

/** Runs `marina replica …` beside a replica. */
export async function replica(settings: Settings, ...args: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await attempt([...marinaCommand, 'replica', ...args], { env: settings });
  const text = new TextDecoder().decode(stdout);
  return { code, stdout: text, stderr, lines: linesOf(text) };
}

export interface Counts {
  readonly equal: number;
  readonly behind: number;
  readonly different: number;
}

export async function verified(settings: Settings): Promise<Counts> {
  const { lines, stderr } = await replica(settings, 'verify', '--json');
  const last = lines.at(-1);
  if (last === undefined) throw new Error(`verify printed nothing: ${stderr}`);
  return JSON.parse(last);
}

/** Waits until every log is equal to that of the source. */
export async function becomesEqual(settings: Settings, logs: number): Promise<void> {
  await eventually(async () => expect(await verified(settings)).toEqual({ equal: logs, behind: 0, different: 0 }));
}

/** Waits until a replica knows that it has everything: from then on it says without its source what does not exist. */
export async function becomesCurrent({ url }: Server): Promise<void> {
  await eventually(async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics.split('\n')).toContain('marina_replica_current 1');
  });
}

/**
 * Waits until the notes of a data folder name every slot. A replica may have slots that are not noted yet, so that it is equal to its
 * source has another meaning.
 */
export async function becomesNoted(dataPath: string): Promise<void> {
  const reader = FolderArchive.open({ root: dataPath, writable: false, uniqueName: () => expect.unreachable() });
  try {
    await eventually(async () => {
      const notes = new NotesView(reader);
      await notes.refresh();
      for await (const { key } of reader.list(CATALOG)) {
        const repo = repositoryOfMarker(key);
        if (repo === undefined) continue;
        expect([repo, notes.reached.get(repo) ?? 0]).toEqual([
          repo,
          await lastSlot((seq) => slotKey(repo, seq), reader),
        ]);
      }
    });
  } finally {
    await reader.close();
  }
}

/** Pulls a tag with everything that it names. */
export async function expectPull(url: string, repo: string, tag: string, pushed: Image): Promise<void> {
  const manifest = await expectStatus(200, `${url}/v2/${repo}/manifests/${tag}`);
  expect(Buffer.compare(manifest.bytes, pushed.bytes)).toBe(0);
  for (const { descriptor, bytes } of pushed.blobs) {
    const blob = await expectStatus(200, `${url}/v2/${repo}/blobs/${descriptor.digest}`);
    expect(Buffer.compare(blob.bytes, bytes)).toBe(0);
  }
}

/** The line with which a server with these settings refuses to start. */
export async function refusalOf(settings: Settings): Promise<string> {
  const main = [marinaCommand[0] ?? '', 'src/main.ts'];
  const env = { HOST: '127.0.0.1', PORT: '0', ...settings };
  const { code, stderr } = await attempt(main, { env });
  expect(code).toBe(1);
  expect(linesOf(stderr)).toHaveLength(1);
  return stderr.trimEnd();
}
