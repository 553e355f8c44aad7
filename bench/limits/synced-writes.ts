// Only the durable part of pushing an image, by the same number of concurrent clients. The files of the layer and the manifest are each
// written, synced and renamed, and their folder is synced. For both, a record is appended to a log with group commit (write, sync, link,
// sync the folder). There is no HTTP, no hashing and no state. This is the limit for pushes per second.
// Usage: bun synced-writes.ts <folder> <repositories> <clients> <layer bytes> <seconds>
import { mkdirSync } from 'node:fs';
import { type FileHandle, link, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const WARM_UP_SECONDS = 0.5;
const FANOUT = 32;
const MANIFEST = Buffer.alloc(500, 'm');
const EVENT = 'x'.repeat(300);

const [folder, ...rest] = process.argv.slice(2);
const [repositories, clients, layerBytes, seconds] = rest.map(Number);
if (folder === undefined || !repositories || !clients || !layerBytes || !seconds) {
  throw new Error('usage: bun synced-writes.ts <folder> <repositories> <clients> <layer bytes> <seconds>');
}
const layer = Buffer.alloc(layerBytes, 'l');
const temporary = join(folder, 'tmp');
mkdirSync(temporary);
let names = 0;

class Folder {
  readonly path: string;
  #handle: Promise<FileHandle>;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    this.#handle = open(path, 'r');
  }

  async sync(): Promise<void> {
    await (await this.#handle).sync();
  }
}

async function writeSynced(bytes: Uint8Array): Promise<string> {
  names += 1;
  const path = join(temporary, String(names));
  const file = await open(path, 'wx');
  await file.writev([bytes]);
  await file.sync();
  await file.close();
  return path;
}

async function writeBlob(bytes: Uint8Array): Promise<void> {
  const path = await writeSynced(bytes);
  const shelf = shelves[names % FANOUT];
  await rename(path, join(shelf?.path ?? '', String(names++)));
  await shelf?.sync();
}

class Log {
  #waiting: (() => void)[] = [];
  #running = false;
  #slot = 0;
  readonly #folder: Folder;

  constructor(path: string) {
    this.#folder = new Folder(path);
  }

  append(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      if (!this.#running) {
        this.#running = true;
        this.#commit().catch(reject);
      }
    });
  }

  async #commit(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      const path = await writeSynced(Buffer.from(EVENT.repeat(group.length)));
      this.#slot += 1;
      await link(path, join(this.#folder.path, String(this.#slot)));
      await this.#folder.sync();
      await unlink(path);
      for (const done of group) {
        done();
      }
    }
    this.#running = false;
  }
}

const shelves = Array.from({ length: FANOUT }, (_, n) => new Folder(join(folder, 'data', String(n))));
const logs = Array.from({ length: repositories }, (_, n) => new Log(join(folder, 'log', String(n))));

async function pushUntil(log: Log, deadline: number): Promise<number> {
  let count = 0;
  while (performance.now() < deadline) {
    await writeBlob(layer);
    await log.append();
    await writeBlob(MANIFEST);
    await log.append();
    count += 1;
  }
  return count;
}

async function round(length: number): Promise<{ count: number; seconds: number }> {
  const start = performance.now();
  const pushers = Array.from({ length: clients ?? 0 }, (_, n) => {
    const log = logs[n % logs.length];
    return log === undefined ? 0 : pushUntil(log, start + length * 1000);
  });
  const count = (await Promise.all(pushers)).reduce((sum, one) => sum + one, 0);
  return { count, seconds: (performance.now() - start) / 1000 };
}

await round(WARM_UP_SECONDS);
console.log(JSON.stringify(await round(seconds)));
