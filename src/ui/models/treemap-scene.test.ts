import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { RepositoryName } from '../../oci/names.ts';
import type { MappedPart, StorageMap } from './storage-map.ts';
import { Scene } from './treemap-scene.ts';

const parts = fc.array(
  fc.tuple(fc.constant('sha256:0123456789abcdef'), fc.integer({ min: 1, max: 1_000 }), fc.nat(3)),
  {
    minLength: 1,
    maxLength: 20,
  },
);
const maps: fc.Arbitrary<StorageMap> = fc
  .array(parts, { minLength: 1, maxLength: 10 })
  .map((all) => ({ repositories: all.map(repositoryOf), rest: { count: 0, bytes: 0 } }));

function repositoryOf(listed: readonly MappedPart[], at: number) {
  const bytes = listed.reduce((sum, [, size]) => sum + size, 0);
  return { name: `team/app-${at}` as RepositoryName, bytes, shared: 0, parts: listed, rest: { count: 0, bytes: 0 } };
}

function opened(map: StorageMap): Scene {
  const scene = new Scene(map);
  scene.resize(800, 400);
  return scene;
}

test('the repository that one goes to fills the picture with its parts, and the others are outside', () => {
  fc.assert(
    fc.property(maps, fc.nat(), (map, number) => {
      const scene = opened(map);
      const focus = number % scene.repositories.length;
      scene.goTo(focus);
      scene.step(1);
      const own = new Set(scene.partsOf(focus));
      let area = 0;
      for (let at = 0; at < scene.parts.length; at++) {
        const { x, y, width, height } = scene.partBox(at);
        if (own.has(at)) area += width * height;
        else expect(x + width <= 0.01 || y + height <= 0.01 || x >= 799.99 || y >= 399.99).toBe(true);
      }
      expect(Math.abs(area - 800 * 400)).toBeLessThan(1);
    }),
  );
});

test('a way back ends where it began, also when it is turned half-way', () => {
  fc.assert(
    fc.property(maps, fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), (map, number, turned) => {
      const scene = opened(map);
      const before = scene.parts.map((_, at) => scene.partBox(at));
      scene.goTo(number % scene.repositories.length);
      scene.step(turned);
      scene.goTo(undefined);
      scene.step(1);
      expect(scene.parts.map((_, at) => scene.partBox(at))).toEqual(before);
    }),
  );
});

test('what is found at the middle of a part is that part, and its repository', () => {
  fc.assert(
    fc.property(maps, (map) => {
      const scene = opened(map);
      for (const [at] of scene.parts.entries()) {
        const { x, y, width, height } = scene.partBox(at);
        const found = scene.find(x + width / 2, y + height / 2);
        expect(found?.part).toBe(at);
        expect(scene.partsOf(found?.repository ?? -1)).toContain(at);
      }
      expect(scene.find(-1, 0)).toBeUndefined();
    }),
  );
});
