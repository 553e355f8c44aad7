import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Header } from 'tar/header';
import { chartValues } from './chart-values.ts';
import { flatFactsOf } from './flat-facts.ts';

function entry(path: string, content: string): Buffer {
  const bytes = Buffer.from(content);
  const block = Buffer.alloc(512);
  new Header({ path, size: bytes.length, type: 'File', mode: 0o644 }).encode(block);
  return Buffer.concat([block, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

const archive = (...entries: readonly Buffer[]): Uint8Array<ArrayBuffer> =>
  Bun.gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]));

const CHART = [
  entry('shop/Chart.yaml', 'name: shop\n'),
  entry('shop/charts/redis/values.yaml', 'of: another chart\n'),
  entry('shop/values.yaml', 'replicas: 2\n'),
  entry('shop/templates/a.yaml', 'x'.repeat(5_000)),
];

test('the values are those of the chart itself', async () => {
  expect(await chartValues(archive(...CHART), 1_000)).toEqual({ text: 'replicas: 2\n', isCut: false });
  expect(await chartValues(archive(...CHART), 8)).toEqual({ text: 'replicas', isCut: true });
  expect(await chartValues(archive(...CHART.slice(0, 2)), 1_000)).toBeUndefined();
});

test('values are found in the beginning of an archive, too', async () => {
  const noise = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7_919) % 251)).toString('base64');
  const whole = archive(...CHART.slice(0, 3), entry('shop/files/noise', noise));
  expect((await chartValues(whole.subarray(0, 2_000), 1_000))?.text).toBe('replicas: 2\n');
});

test('an archive of gigabytes of zeros is searched in part, and bytes that are no archive have no values', async () => {
  const zeros = Bun.gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const members = Buffer.concat([archive(entry('shop/a', 'x'.repeat(300_000))), ...Array(8).fill(zeros)]);
  expect(await chartValues(Uint8Array.from(members), 1_000)).toBeUndefined();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), fc.boolean(), async (bytes, isCompressed) => {
      const some = Uint8Array.from(bytes);
      expect(await chartValues(isCompressed ? Bun.gzipSync(some) : some, 1_000)).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

test('a config without a reader of its own is a flat list of what it says', () => {
  const config = {
    descriptor: { name: 'tides', authors: ['a', 'b'] },
    config: { format: 'gguf', parameters: 7, quantization: 'Q4', capabilities: { reasoning: true } },
    modelfs: { type: 'layers', diffIds: ['sha256:0'] },
  };
  expect(flatFactsOf(config)).toEqual({
    'descriptor.name': 'tides',
    'descriptor.authors': 'a, b',
    'config.format': 'gguf',
    'config.parameters': '7',
    'config.quantization': 'Q4',
    'config.capabilities.reasoning': 'true',
  });
});
