import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { repositoryNames } from '../../../test/support/generators.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { MappedPart, MappedRepository, StorageMap } from './storage-map.ts';
import { type Box, layOut, layOutParts } from './treemap.ts';

const sizes = fc.oneof(
  fc.constant(0),
  fc.nat(1_000),
  fc.maxSafeNat().map((size) => size % 2 ** 44),
);
const parts: fc.Arbitrary<MappedPart> = fc.tuple(
  fc.constantFrom('sha256:0123456789abcdef', 'sha512:fedcba9876543210'),
  sizes,
  fc.option(fc.nat(100), { nil: null }),
);
const rest = fc.record({ count: fc.nat(100), bytes: sizes });
const repositories: fc.Arbitrary<MappedRepository> = fc
  .record({
    name: repositoryNames,
    parts: fc.array(parts, { maxLength: 30 }),
    rest,
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ name, parts: listed, rest: others, part }) => {
    const bytes = sum(listed.map(([, size]) => size)) + others.bytes;
    return { name, parts: listed, rest: others, bytes, shared: Math.floor(bytes * part) };
  });
const maps: fc.Arbitrary<StorageMap> = fc.record({ repositories: fc.array(repositories, { maxLength: 20 }), rest });
const sides = fc.integer({ min: 10, max: 2_000 });

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

const area = ({ width, height }: Box): number => width * height;

/** Floating-point numbers differ a little. */
function expectNear(actual: number, expected: number, scale: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(scale * 1e-6);
}

function expectInside(box: Box, around: Box): void {
  const slack = (around.width + around.height) * 1e-6;
  expect(box.x).toBeGreaterThanOrEqual(around.x - slack);
  expect(box.y).toBeGreaterThanOrEqual(around.y - slack);
  expect(box.x + box.width).toBeLessThanOrEqual(around.x + around.width + slack);
  expect(box.y + box.height).toBeLessThanOrEqual(around.y + around.height + slack);
}

function expectApart(boxes: readonly Box[], around: Box): void {
  const slack = (around.width + around.height) * 1e-6;
  for (const [at, one] of boxes.entries()) {
    for (const other of boxes.slice(at + 1)) {
      const across = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
      const down = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
      expect(Math.min(across, down)).toBeLessThanOrEqual(slack);
    }
  }
}

test('every repository and every part has an area that is proportional to its bytes, inside what it belongs to, and apart from the others', () => {
  fc.assert(
    fc.property(maps, sides, sides, (map, width, height) => {
      const whole = { x: 0, y: 0, width, height };
      const boxes = layOut(map, width, height);
      const total = sum(map.repositories.map(({ bytes }) => bytes)) + map.rest.bytes;
      for (const box of boxes) {
        expectInside(box, whole);
        expectNear(area(box), (box.bytes / total) * width * height, width * height);
        for (const part of box.parts) {
          expectInside(part, box);
          expectNear(area(part), (part.bytes / total) * width * height, width * height);
        }
        expectApart(box.parts, box);
        expectNear(sum(box.parts.map(({ bytes }) => bytes)), box.bytes, box.bytes);
      }
      expectApart(boxes, whole);
      expectNear(sum(boxes.map(area)), total === 0 ? 0 : width * height, width * height);
    }),
  );
});

test('what is not listed is own and shared in such parts that the sums are those of the repository', () => {
  fc.assert(
    fc.property(repositories, (repository) => {
      const boxes = layOutParts(repository, 100, 100);
      if (boxes.some(({ sharing }) => sharing === 'unknown')) return;
      const listed = sum(repository.parts.map(([, size, others]) => ((others ?? 0) > 0 ? size : 0)));
      const shared = sum(boxes.map(({ bytes, sharing }) => (sharing === 'shared' ? bytes : 0)));
      const { shared: told = 0, rest: others } = repository;
      expect(shared).toBe(Math.min(Math.max(told, listed), listed + others.bytes));
    }),
  );
});

test('a repository that is listed keeps its name, and the others are one box with their number', () => {
  const one: MappedRepository = {
    name: 'team/app' as RepositoryName,
    bytes: 60,
    shared: 10,
    parts: [
      ['sha256:ab', 50, 0],
      ['sha256:cd', 10, 3],
    ],
    rest: { count: 0, bytes: 0 },
  };
  const [first, second, third] = layOut({ repositories: [one], rest: { count: 7, bytes: 40 } }, 100, 100);
  expect(first).toMatchObject({ name: 'team/app', bytes: 60, shared: 10, count: 1 });
  expect(first?.parts.map(({ digest, sharing, sharedWith }) => [digest, sharing, sharedWith])).toEqual([
    ['sha256:ab', 'own', 0],
    ['sha256:cd', 'shared', 3],
  ]);
  expect(second).toMatchObject({ name: undefined, bytes: 40, count: 7 });
  expect(third).toBeUndefined();
});
