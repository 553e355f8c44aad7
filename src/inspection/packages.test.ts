import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Package, Sbom } from './interface.ts';
import { comparePackages, packagesOf } from './packages.ts';
import { sbomOf } from './sbom.ts';

const packageLists: fc.Arbitrary<Package[]> = fc.array(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c', '__proto__'),
    version: fc.option(fc.constantFrom('1', '2', '3'), { nil: undefined }),
  }),
);
const sbom = (packages: readonly Package[]): Sbom => ({
  ...{ format: 'SPDX', tools: [], packages, count: packages.length, isCut: false },
});

test('each package is listed once, with what any document knows of it', () => {
  fc.assert(
    fc.property(packageLists, packageLists, (one, other) => {
      const found = packagesOf([sbom(one), sbom(other)]).map(({ name, version }) => `${name} ${version}`);
      const expected = new Set([...one, ...other].map(({ name, version }) => `${name} ${version}`));
      expect([...found].sort()).toEqual([...expected].sort());
    }),
  );
  const known = packagesOf([sbom([{ name: 'a', purl: 'pkg:a' }]), sbom([{ name: 'a', license: 'MIT' }])]);
  expect(known).toEqual([{ name: 'a', purl: 'pkg:a', license: 'MIT' }]);
});

test('applying the difference to one list gives the other', () => {
  fc.assert(
    fc.property(packageLists, packageLists, (from, to) => {
      const versions = (list: readonly Package[]): Set<string> =>
        new Set(list.map(({ name, version = '' }) => `${name} ${version}`));
      const { items, same } = comparePackages(from, to);
      const result = versions(from);
      for (const { name, from: old, to: current } of items) {
        if (old !== undefined) expect(result.delete(`${name} ${old}`)).toBe(true);
        if (current !== undefined) result.add(`${name} ${current}`);
      }
      expect(result).toEqual(versions(to));
      expect(same).toBe([...versions(from)].filter((each) => versions(to).has(each)).length);
    }),
  );
});

test('a package of which one version replaced another has changed', () => {
  const { items, same } = comparePackages(
    [{ name: 'zlib', version: '1.2' }, { name: 'curl', version: '8' }, { name: 'gone' }],
    [
      { name: 'zlib', version: '1.3' },
      { name: 'curl', version: '8' },
      { name: 'new', version: '1' },
    ],
  );
  expect(items).toEqual([
    { change: 'gone', name: 'gone', from: '' },
    { change: 'added', name: 'new', to: '1' },
    { change: 'changed', name: 'zlib', from: '1.2', to: '1.3' },
  ]);
  expect(same).toBe(1);
});

test('the license of a package is the concluded one, or else the declared one', () => {
  const licenses = [
    { licenseConcluded: 'MIT', licenseDeclared: 'Zlib' },
    { licenseConcluded: 'NOASSERTION', licenseDeclared: 'Zlib' },
    { licenseDeclared: 'Zlib' },
    { licenseConcluded: 'NONE' },
  ];
  const packages = licenses.map((license, at) => ({ name: `package-${at}`, ...license }));
  const read = sbomOf({ spdxVersion: 'SPDX-2.3', packages }, false);
  expect(read?.packages.map(({ license }) => license)).toEqual(['MIT', 'Zlib', 'Zlib', undefined]);
});
