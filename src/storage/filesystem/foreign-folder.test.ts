import { afterAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';
import { piecesOf } from '../digest-object.ts';
import { ForeignUnreadable, type Verification } from '../foreign.ts';
import { ForeignFolder } from './foreign-folder.ts';

afterAll(cleanUp);

const { signal } = new AbortController();
const OTHER = 54_321;
const KEY = 'blobs/one/data';

interface Site {
  readonly source: string;
  readonly target: string;
  /** Absolute path of the file under KEY. */
  readonly path: string;
  readonly folder: ForeignFolder;
}

async function inSite(work: (site: Site) => Promise<void>): Promise<void> {
  const [source, target] = [temporaryFolder('source'), temporaryFolder('target')];
  mkdirSync(join(source, 'blobs/one'), { recursive: true });
  for (const name of ['data', 'tmp']) mkdirSync(join(target, name));
  const folder = new ForeignFolder(source, target);
  try {
    await work({ source, target, path: join(source, KEY), folder });
    expect(readdirSync(join(target, 'tmp'))).toEqual([]);
  } finally {
    await folder.close();
  }
}

function as(digest: Digest, onBytes: (count: number) => void = () => undefined): Verification {
  return { digest, onBytes, signal };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ForeignUnreadable);
  return error instanceof Error ? error.message : '';
}

/** Small enough to be hashed at once, and big enough to be hashed in steps. */
const SIZES = [0, 1, 128 * 1024, 40 * 1024 ** 2 + 1];

test.each(SIZES)('a file of %d bytes gets a second name once its digest was found right', (size) =>
  inSite(async ({ target, path, folder }) => {
    const bytes = new Uint8Array(randomBytes(size));
    writeFileSync(path, bytes);
    let read = 0;
    const count = (more: number): void => {
      read += more;
    };
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const to = `data/${algorithm}`;
      expect(await folder.give(KEY, to, size, as(digestOf(algorithm, bytes), count))).toBe('linked');
      expect(statSync(join(target, to)).ino).toBe(statSync(path).ino);
    }
    expect(read).toBe(2 * size);
    const wrong = as(digestOf('sha256', new TextEncoder().encode('others')));
    expect(await folder.give(KEY, 'data/wrong', size, wrong)).toBeUndefined();
    expect(readdirSync(join(target, 'data')).sort()).toEqual(['sha256', 'sha512']);
    await expect(folder.give(KEY, 'data/sha256', size, undefined)).rejects.toThrow('not fresh');
    expect(await refusal(folder.give(KEY, 'data/more', size + 1, undefined))).toContain('changed while');
    expect(await refusal(folder.give('blobs/never', 'data/never', size, undefined))).toContain('was removed');
  }),
);

test('a file of another file system is copied, for its owner alone', async () => {
  const target = temporaryFolder('target');
  for (const name of ['data', 'tmp']) mkdirSync(join(target, name));
  const memory = join('/dev/shm', `marina-${crypto.randomUUID()}`);
  mkdirSync(memory);
  const folder = new ForeignFolder(memory, target);
  try {
    writeFileSync(join(memory, 'file'), 'bytes', { mode: 0o644 });
    const right = as(digestOf('sha256', new TextEncoder().encode('bytes')));
    expect(await folder.give('file', 'data/two', 5, right)).toBe('copied');
    expect(await Bun.file(join(target, 'data/two')).text()).toBe('bytes');
    expect(statSync(join(target, 'data/two')).mode & 0o777).toBe(0o600);
  } finally {
    await folder.close();
    rmSync(memory, { recursive: true });
  }
});

test('hashing ends when it is no longer wanted', () =>
  inSite(async ({ path, folder }) => {
    writeFileSync(path, new Uint8Array(SIZES.at(-1) ?? 0));
    const stopped = { ...as(digestOf('sha256', new Uint8Array())), signal: AbortSignal.abort(new Error('no more')) };
    const ended: unknown = await folder
      .give(KEY, 'data/one', SIZES.at(-1) ?? 0, stopped)
      .catch((error: unknown) => error);
    expect(ended).toEqual(new Error('no more'));
  }));

describe('a file that others may write to', () => {
  const MIB_40 = 40 * 1024 ** 2;

  test.each([
    ['its group', (path: string) => chmodSync(path, 0o664)],
    ['everyone', (path: string) => chmodSync(path, 0o646)],
    ['its owner, another user', (path: string) => chownSync(path, OTHER, OTHER)],
  ] as const)('%s: is copied, so that it does not change under its digest', (_, open) =>
    inSite(async ({ target, path, folder }) => {
      if (process.getuid?.() !== 0) throw new Error('this test makes files of other users: run it as root');
      writeFileSync(path, 'bytes');
      open(path);
      const right = as(digestOf('sha256', new TextEncoder().encode('bytes')));
      for (const [to, verification] of [
        ['data/verified', right],
        ['data/trusted', undefined],
      ] as const) {
        expect(await folder.give(KEY, to, 5, verification)).toBe('copied');
        expect(statSync(join(target, to))).toMatchObject({ uid: process.getuid?.(), nlink: 1 });
      }
      writeFileSync(path, 'other');
      for (const to of ['data/verified', 'data/trusted']) expect(await Bun.file(join(target, to)).text()).toBe('bytes');
    }),
  );

  test.each([
    [
      'exchanged',
      0o600,
      (path: string, other: Uint8Array) => {
        writeFileSync(`${path}.new`, other);
        renameSync(`${path}.new`, path);
      },
    ],
    ['written over', 0o622, (path: string, other: Uint8Array) => writeFileSync(path, other)],
    [
      'replaced by a link',
      0o600,
      (path: string) => {
        rmSync(path);
        symlinkSync('/etc/passwd', path);
      },
    ],
  ] as const)('%s after it was hashed, is what was hashed all the same', (_, mode, change) =>
    inSite(async ({ target, path, folder }) => {
      const bytes = new Uint8Array(randomBytes(MIB_40));
      writeFileSync(path, bytes, { mode });
      chmodSync(path, mode);
      let hashed = 0;
      const onBytes = (count: number): void => {
        hashed += count;
        // All of it was read; its name is given after this.
        if (hashed === MIB_40) change(path, new Uint8Array(MIB_40));
      };
      expect(await folder.give(KEY, 'data/one', MIB_40, as(digestOf('sha256', bytes), onBytes))).toBeDefined();
      const kept = new Uint8Array(await Bun.file(join(target, 'data/one')).arrayBuffer());
      expect(digestOf('sha256', kept)).toBe(digestOf('sha256', bytes));
    }),
  );
});

describe('a symbolic link', () => {
  const right = as(digestOf('sha256', new TextEncoder().encode('secret')));

  async function expectRefused({ folder, target }: Site, message: string): Promise<void> {
    for (const verification of [right, undefined]) {
      expect(await refusal(folder.give(KEY, 'data/one', 6, verification))).toContain(message);
    }
    expect(await refusal(folder.read(KEY))).toContain(message);
    expect(await refusal(folder.head(KEY))).toContain(message);
    expect(await refusal(folder.open(KEY))).toContain(message);
    expect(readdirSync(join(target, 'data'))).toEqual([]);
  }

  test('in the place of a file is not followed', () =>
    inSite(async (site) => {
      writeFileSync(join(site.source, 'secret'), 'secret');
      symlinkSync('../../secret', site.path);
      await expectRefused(site, `${KEY} is a symbolic link`);
    }));

  test('in the place of a folder above it is not followed, nor listed through', () =>
    inSite(async (site) => {
      mkdirSync(join(site.source, 'elsewhere'));
      writeFileSync(join(site.source, 'elsewhere/data'), 'secret');
      rmSync(join(site.source, 'blobs/one'), { recursive: true });
      symlinkSync('../elsewhere', join(site.source, 'blobs/one'));
      await expectRefused(site, 'blobs/one is a symbolic link');
      const list = async (prefix: string): Promise<string[]> => {
        const keys: string[] = [];
        for await (const { key } of site.folder.list(prefix)) keys.push(key);
        return keys;
      };
      for (const prefix of ['blobs/', 'blobs/one/']) {
        await expect(list(prefix)).rejects.toMatchObject({
          kind: 'request-invalid',
          message: expect.stringContaining('blobs/one is a symbolic link'),
        });
      }
      expect(await list('elsewhere/')).toEqual(['elsewhere/data']);
      expect(await list('none/')).toEqual([]);
    }));

  test('in the place of the folder that was named is followed', async () => {
    const parent = temporaryFolder('parent');
    mkdirSync(join(parent, 'real'));
    writeFileSync(join(parent, 'real/file'), 'bytes');
    symlinkSync('real', join(parent, 'named'));
    const folder = new ForeignFolder(join(parent, 'named'), undefined);
    expect(new TextDecoder().decode(await folder.read('file'))).toBe('bytes');
    await folder.close();
  });
});

test('a pipe, a folder and a file that nothing of its kind is as long as', () =>
  inSite(async ({ source, path, folder }) => {
    expect(Bun.spawnSync(['mkfifo', path]).exitCode).toBe(0);
    expect(await refusal(folder.give(KEY, 'data/one', 0, undefined))).toContain('is no regular file');
    expect(await refusal(folder.read(KEY))).toContain('is no regular file');
    expect(await folder.head('blobs/one')).toBeUndefined();
    expect(await folder.read('blobs/one')).toBeUndefined();
    expect(await folder.read(`${KEY}/below`)).toBeUndefined();
    writeFileSync(join(source, 'long'), new Uint8Array(9 * 1024 ** 2));
    expect(await refusal(folder.read('long'))).toContain(`has ${9 * 1024 ** 2} bytes`);
  }));

test('bytes are streamed for a store that takes no files, and the file is closed at the end of them', () =>
  inSite(async ({ path, folder }) => {
    const bytes = new Uint8Array(randomBytes(2_500_000));
    writeFileSync(path, bytes);
    const opened = await folder.open(KEY);
    if (opened === undefined) return expect.unreachable();
    const before = held(path);
    const pieces: Uint8Array[] = [];
    for await (const piece of piecesOf(opened.body, opened.size)) pieces.push(piece.slice());
    expect(Buffer.compare(Buffer.concat(pieces), bytes)).toBe(0);
    for await (const _ of piecesOf(opened.body, opened.size)) break;
    const short = async (): Promise<void> => {
      for await (const _ of piecesOf(opened.body, opened.size + 1));
    };
    expect(await refusal(short())).toContain('changed while');
    expect(held(path)).toBe(before);
  }));

/** The number of descriptors of a file that this process has open. */
function held(path: string): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      // It was closed in the meantime, as that of the listing itself.
      return false;
    }
  }).length;
}
