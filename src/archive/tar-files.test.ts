import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Header } from 'tar/header';
import { Pax } from 'tar/pax';
import { RegistryError } from '../oci/errors.ts';
import { END_OF_ARCHIVE, headerOf, MAX_ENTRIES, paddingOf, readTarFiles, type TarFiles } from './tar-files.ts';

type Facts = ConstructorParameters<typeof Header>[0];

function header(facts: Facts): Uint8Array {
  const block = Buffer.alloc(512);
  new Header(facts).encode(block);
  return block;
}

function file(name: string, content: string | Uint8Array = ''): Uint8Array {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return Buffer.concat([headerOf(name, bytes.length), bytes, paddingOf(bytes.length)]);
}

function archive(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

function read(bytes: Uint8Array, size = bytes.length): Promise<TarFiles> {
  const readAt = async (position: number, length: number) => Buffer.from(bytes.subarray(position, position + length));
  return readTarFiles(readAt, size, () => true);
}

async function refusal(bytes: Uint8Array, size?: number): Promise<string> {
  const error = await read(bytes, size).catch((reason: unknown) => reason);
  if (!(error instanceof RegistryError)) throw new Error('it was not refused', { cause: error });
  expect(error.kind).toBe('request-invalid');
  return error.message;
}

const name = fc
  .array(fc.stringMatching(/^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,80}$/), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'));

test('files are found where they were written, whatever their names and lengths', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.tuple(name, fc.uint8Array({ maxLength: 1500 })), { selector: ([each]) => each, maxLength: 8 }),
      async (written) => {
        const bytes = archive(...written.map(([each, content]) => file(each, content)));
        const { files, special } = await read(bytes);
        expect(special).toBeUndefined();
        expect([...files.keys()]).toEqual(written.map(([each]) => each));
        for (const [each, content] of written) {
          const { start = -1, size = -1 } = files.get(each) ?? {};
          expect(Buffer.compare(bytes.subarray(start, start + size), content)).toBe(0);
        }
      },
    ),
  );
});

test('bytes that are no archive are refused, and never read as one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 3000 }), async (bytes) => {
      fc.pre(bytes.slice(0, 512).some((byte) => byte !== 0));
      await refusal(bytes);
    }),
  );
});

test('any changed byte of a header is found', async () => {
  const bytes = archive(file('index.json', '{}'));
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 511 }), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ change;
      const found = await read(damaged).catch((error: unknown) => error);
      if (found instanceof RegistryError) return;
      // The checksum's own padding may change without a change of its value.
      expect([at >= 148 && at < 156, found]).toEqual([true, await read(bytes)]);
    }),
  );
});

test('a name of sha512 and a size beyond 8 GiB have extended headers that are read again', async () => {
  const long = `blobs/sha512/${'ab'.repeat(64)}`;
  const size = 20 * 1024 ** 3;
  const bytes = headerOf(long, size);
  expect(bytes.length).toBe(1536);
  // The content of such a file is not needed to find it.
  const readAt = async (position: number, length: number) =>
    position < bytes.length ? Buffer.from(bytes.subarray(position, position + length)) : Buffer.alloc(length);
  const { files } = await readTarFiles(readAt, bytes.length + size + 1024, () => true);
  expect(files).toEqual(new Map([[long, { start: bytes.length, size }]]));
});

test('a leading ./ is no part of a name, as in archives of GNU tar', async () => {
  const folder = header({ path: './blobs/', type: 'Directory', mode: 0o755, size: 0 });
  const { files } = await read(archive(folder, file('./index.json', '{}')));
  expect([...files.keys()]).toEqual(['index.json']);
});

test.each([
  ['/etc/passwd', 'it has an entry with the name "/etc/passwd"'],
  ['blobs/../../x', 'it has an entry with the name "blobs/../../x"'],
  ['..', 'it has an entry with the name ".."'],
])('an entry called %s is refused', async (path, message) => {
  expect(await refusal(archive(file(path)))).toBe(message);
  // The same in an extended header.
  const extended = new Pax({ path, size: 0 }).encode();
  expect(await refusal(archive(extended, header({ path: 'harmless', type: 'File', size: 0 })))).toBe(message);
});

test('a name that appears twice is refused, also in another spelling', async () => {
  expect(await refusal(archive(file('index.json', '1'), file('./index.json', '2')))).toBe(
    'it has the file "index.json" twice',
  );
});

test.each(['SymbolicLink', 'Link', 'CharacterDevice', 'BlockDevice', 'FIFO'] as const)(
  'an entry of the type %s is reported and never followed',
  async (type) => {
    const link = header({ path: 'blobs/x', linkpath: '/etc/passwd', type, size: 0 });
    const { files, special } = await read(archive(link, file('index.json')));
    expect([special, [...files.keys()]]).toEqual(['"blobs/x"', ['index.json']]);
  },
);

test('a size that lies is refused', async () => {
  expect(await refusal(archive(header({ path: 'a', type: 'File', size: 5_000 })))).toBe(
    'it is cut off in its entry "a"',
  );
  const endless = Buffer.from('31 size=9999999999999999999999\n');
  const extended = Buffer.concat([
    header({ path: 'PaxHeader/a', type: 'ExtendedHeader', size: endless.length }),
    endless,
    paddingOf(endless.length),
  ]);
  const lied = archive(extended, header({ path: 'a', type: 'File', size: 0 }));
  expect(await refusal(lied)).toMatch(/^it(s entry "a" has no valid size| is cut off in its entry "a")$/);
});

test('an archive without its end is refused as cut off', async () => {
  const whole = archive(file('a', 'content'), file('b', 'content'));
  expect(await refusal(whole.subarray(0, 1024))).toBe('it is cut off: the mark at its end is missing');
  expect(await refusal(whole.subarray(0, 1024 + 512))).toBe('it is cut off in its entry "b"');
});

test('an extended header of many megabytes is refused before it is read', async () => {
  const size = 64 * 1024 * 1024;
  const bytes = header({ path: 'PaxHeader/a', type: 'ExtendedHeader', size });
  expect(await refusal(bytes, size + 2048)).toBe(`it has an extended header of ${size} bytes`);
});

test('an archive of endless entries is refused', async () => {
  const entry = Buffer.from(file('a-file-that-nobody-wants'));
  const readTwice = readTarFiles(
    async () => entry,
    Number.MAX_SAFE_INTEGER,
    () => false,
  );
  await expect(readTwice).rejects.toThrow(`it has more than ${MAX_ENTRIES} entries`);
});
