import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { compressedJsonOf, jsonOf } from './json.ts';

const json = fc.jsonValue().map((value) => JSON.stringify(value));

test('JSON is parsed from text, bytes and compressed bytes', async () => {
  await fc.assert(
    fc.asyncProperty(json, async (text) => {
      const expected: unknown = JSON.parse(text);
      const bytes = new TextEncoder().encode(text);
      expect(jsonOf(text)).toEqual(expected);
      expect(jsonOf(bytes)).toEqual(expected);
      expect(await compressedJsonOf(Bun.zstdCompressSync(bytes))).toEqual(expected);
    }),
  );
});

test('torn and foreign bytes are undefined', async () => {
  const latin1 = new Uint8Array([0x22, 0xe9, 0x22]);
  for (const each of ['', '{"a":', 'undefined', latin1]) expect(jsonOf(each)).toBeUndefined();
  const whole = Bun.zstdCompressSync('{"a":1}');
  for (const each of [new Uint8Array(), whole.subarray(0, -3), latin1, Bun.zstdCompressSync('{"a":')])
    expect(await compressedJsonOf(each)).toBeUndefined();
});
