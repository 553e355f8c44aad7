import { afterAll, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../test/support/eventually.ts';
import { cleanUp, temporaryFolder } from '../../test/support/server.ts';
import { FileProblem, type Reload, ReloadedFile } from './reloaded-file.ts';

const folder = temporaryFolder('reloaded');
afterAll(cleanUp);

const FAST = { everyMs: 10, settleMs: 10 };

function number({ NUMBER_FILE }: { readonly NUMBER_FILE: string }): number {
  if (!/^\d+$/.test(NUMBER_FILE)) throw new FileProblem('line 1: a number is expected');
  return Number(NUMBER_FILE);
}

let files = 0;
function path(content?: string): string {
  const name = join(folder, `file-${files++}`);
  if (content !== undefined) writeFileSync(name, content);
  return name;
}

async function opened(at: string, timing = FAST) {
  const reloads: Reload[] = [];
  const file = await ReloadedFile.open({
    paths: { NUMBER_FILE: at },
    parse: number,
    onReload: (reload) => reloads.push(reload),
    ...timing,
  });
  return { file, reloads };
}

const kinds = (reloads: readonly Reload[]) => reloads.map(({ kind }) => kind);

describe('a file that is read again', () => {
  test('has its new value soon after a change, and no intermediate value', async () => {
    const at = path('1');
    const { file, reloads } = await opened(at);
    expect([file.value, file.isCurrent, file.hashes.NUMBER_FILE]).toEqual([
      1,
      true,
      createHash('sha256').update('1').digest('hex'),
    ]);
    writeFileSync(at, '2');
    await eventually(() => expect(file.value).toBe(2));
    expect(kinds(reloads)).toEqual(['loaded']);
    expect(file.hashes.NUMBER_FILE).toBe(createHash('sha256').update('2').digest('hex'));
    file.close();
  });

  test('is not parsed again while its content stays the same', async () => {
    const at = path('1');
    const { file, reloads } = await opened(at);
    utimesSync(at, 1, 1);
    writeFileSync(`${at}.new`, '1');
    renameSync(`${at}.new`, at);
    await Bun.sleep(100);
    expect(reloads).toEqual([]);
    file.close();
  });

  test('is reloaded even if neither its size nor its time changes', async () => {
    const at = path('1');
    utimesSync(at, 1, 1);
    const { file } = await opened(at);
    writeFileSync(at, '2');
    utimesSync(at, 1, 1);
    await eventually(() => expect(file.value).toBe(2));
    file.close();
  });

  test('is reloaded if a symbolic link in a parent folder changes, as when Kubernetes updates a volume', async () => {
    const volume = path();
    for (const [version, content] of [
      ['one', '1'],
      ['two', '2'],
    ] as const) {
      mkdirSync(join(volume, version), { recursive: true });
      writeFileSync(join(volume, version, 'number'), content);
    }
    symlinkSync('one', join(volume, '..data'));
    symlinkSync('..data/number', join(volume, 'number'));
    const { file } = await opened(join(volume, 'number'));
    symlinkSync('two', join(volume, '..new'));
    renameSync(join(volume, '..new'), join(volume, '..data'));
    await eventually(() => expect(file.value).toBe(2));
    file.close();
  });

  test('keeps its value if the new content is wrong, reports that once, and uses the next good content', async () => {
    const at = path('1');
    const { file, reloads } = await opened(at);
    writeFileSync(at, 'hunter2');
    await eventually(() => expect(file.isCurrent).toBe(false));
    await Bun.sleep(100);
    expect([file.value, kinds(reloads)]).toEqual([1, ['refused']]);
    const [refused] = reloads;
    const error = refused?.kind === 'refused' ? refused.error : undefined;
    expect(error).toBeInstanceOf(FileProblem);
    expect(String(error)).toBe(`FileProblem: NUMBER_FILE=${at} cannot be used: line 1: a number is expected`);
    expect(file.hashes.NUMBER_FILE).toBe(createHash('sha256').update('1').digest('hex'));
    writeFileSync(at, '3');
    await eventually(() => expect(file.value).toBe(3));
    expect([file.isCurrent, kinds(reloads)]).toEqual([true, ['refused', 'loaded']]);
    file.close();
  });

  test('keeps its value when it is deleted', async () => {
    const at = path('1');
    const { file, reloads } = await opened(at);
    rmSync(at);
    await eventually(() => expect(file.isCurrent).toBe(false));
    expect([file.value, kinds(reloads)]).toEqual([1, ['refused']]);
    file.close();
  });

  test('is not used while it is being written', async () => {
    const at = path('1');
    const { file, reloads } = await opened(at, { everyMs: 5, settleMs: 400 });
    writeFileSync(at, '');
    for (const digit of '2345') {
      appendFileSync(at, digit);
      await Bun.sleep(20);
    }
    await eventually(() => expect(file.value).toBe(2345));
    expect(kinds(reloads)).toEqual(['loaded']);
    file.close();
  });

  test('is no longer read once it is closed', async () => {
    const at = path('1');
    const { file, reloads } = await opened(at);
    file.close();
    writeFileSync(at, '2');
    await Bun.sleep(100);
    expect([file.value, reloads]).toEqual([1, []]);
  });

  test('keeps its value if the parser has a defect, which is reported', async () => {
    const at = path('1');
    const reloads: Reload[] = [];
    const file = await ReloadedFile.open({
      paths: { NUMBER_FILE: at },
      parse: (texts) => {
        if (texts.NUMBER_FILE === '2') throw new TypeError('a defect');
        return number(texts);
      },
      onReload: (reload) => reloads.push(reload),
      ...FAST,
    });
    writeFileSync(at, '2');
    await eventually(() => expect(reloads).toEqual([{ kind: 'refused', error: new TypeError('a defect') }]));
    expect(file.value).toBe(1);
    file.close();
  });
});

test('several files make up one value, and are used only if they match', async () => {
  const paths = { CERT_FILE: path('a'), KEY_FILE: path('a') };
  const file = await ReloadedFile.open({
    paths,
    parse: ({ CERT_FILE, KEY_FILE }) => {
      if (CERT_FILE !== KEY_FILE) throw new FileProblem('they do not fit');
      return CERT_FILE;
    },
    onReload: () => {},
    ...FAST,
  });
  writeFileSync(paths.CERT_FILE, 'b');
  await eventually(() => expect(file.isCurrent).toBe(false));
  expect(file.value).toBe('a');
  writeFileSync(paths.KEY_FILE, 'b');
  await eventually(() => expect([file.value, file.isCurrent]).toEqual(['b', true]));
  file.close();
});

describe('an unusable file is refused at the start, in one line', () => {
  test.each([
    ['a folder', () => folder, /^it is not a regular file$/],
    ['wrong content', () => path('x'), /^line 1: a number is expected$/],
    ['bytes that are not UTF-8', () => binary(), /^it is not UTF-8 text$/],
    ['an endless device', () => '/dev/zero', /^it is not a regular file$/],
    ['a file that is too long', () => path('1'.repeat(4 * 1024 * 1024 + 1)), /^it is longer than 4194304 bytes$/],
    ['a pipe', () => pipe(), /^it is not a regular file$/],
  ])('%s', async (_what, make, expected) => {
    const at = make();
    const error = await opened(at).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(FileProblem);
    const { message } = error as FileProblem;
    const before = `NUMBER_FILE=${at} cannot be used: `;
    expect(message).toStartWith(before);
    expect(message.slice(before.length)).toMatch(expected);
    expect(message).not.toContain('\n');
  });

  test.each([
    ['a path', 'secrets/not-there'],
    ['a key', '-----BEGIN PRIVATE KEY-----\nhunter2'],
    ['a long key', `-----BEGIN PRIVATE KEY-----\nhunter2${'a'.repeat(5_000)}`],
    ['a line of accounts', 'ann:$2y$10$hunter2'],
  ])('a value that names no file, and may be a secret, which is not shown: %s', async (_what, value) => {
    const error = await opened(value).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(FileProblem);
    expect((error as FileProblem).message).toMatch(/^NUMBER_FILE cannot be used: [\w ()]+$/);
    expect((error as FileProblem).message).not.toMatch(/hunter2|not-there/);
  });

  function binary(): string {
    const at = path();
    writeFileSync(at, Uint8Array.of(0x31, 0xff));
    return at;
  }

  function pipe(): string {
    const at = path();
    expect(Bun.spawnSync(['mkfifo', at]).exitCode).toBe(0);
    return at;
  }
});
