import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { decodeFrame, encodeFrame } from './frames.ts';

test('a frame holds its slots', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (slots) => {
      const decoded = decodeFrame(encodeFrame(slots)).map((slot) => [...slot]);
      expect(decoded).toEqual(slots.map((slot) => [...slot]));
    }),
  );
});

test('bytes that are no frame are refused in one line', () => {
  const short = Bun.zstdCompressSync(new Uint8Array([0, 0, 0, 9, 1]));
  for (const bytes of [new Uint8Array([1, 2, 3]), short, Bun.zstdCompressSync(new Uint8Array([0, 0]))])
    expect(() => decodeFrame(bytes)).toThrow('the backup is damaged');
});
