import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { lockFaults } from './lock-faults.ts';

const INTEGRITY = `sha512-${'A'.repeat(86)}==`;

function faultsOf(entry: Readonly<Record<string, unknown>>): string[] {
  return lockFaults(JSON.stringify({ packages: { '': { name: 'marina' }, 'node_modules/a': entry } }));
}

test('the lock file of this project has no fault', () => {
  const text = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
  expect(Object.keys(JSON.parse(text).packages).length).toBeGreaterThan(100);
  expect(lockFaults(text)).toEqual([]);
});

test('an entry without integrity, or with a weak one, is a fault', () => {
  expect(faultsOf({ version: '1.0.0' })).toEqual(['node_modules/a has no SHA-512 integrity']);
  expect(faultsOf({ integrity: 'sha1-AAAA' })).toHaveLength(1);
  expect(faultsOf({ integrity: INTEGRITY })).toEqual([]);
});

test('an entry of another registry than the public one is a fault that shows no credentials', () => {
  const resolved = 'https://someone:secret@npm.internal.example/a/-/a-1.0.0.tgz';
  expect(faultsOf({ integrity: INTEGRITY, resolved })).toEqual([
    'node_modules/a comes from https://npm.internal.example instead of the public registry',
  ]);
  expect(faultsOf({ integrity: INTEGRITY, resolved: 'https://registry.npmjs.org/a/-/a-1.0.0.tgz' })).toEqual([]);
});

test('a bundled package needs no integrity of its own', () => {
  expect(faultsOf({ version: '1.0.0', inBundle: true })).toEqual([]);
});
