import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests, incarnations, repositoryNames } from '../../test/support/generators.ts';
import { text } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { hintKey } from '../storage/paths.ts';
import { readHint, writeHint } from './hints.ts';

const digest = digestOf('sha256', text('x'));

describe('hints', () => {
  test('have the value that was written last', async () => {
    const driver = new MemoryDriver();
    await fc.assert(
      fc.asyncProperty(digests, incarnations, fc.nat(), repositoryNames, async (each, inc, size, repo) => {
        await writeHint(driver, each, { inc, size, repo });
        expect(await readHint(driver, each)).toEqual({ inc, size, repo });
      }),
    );
  });

  test('that are missing are undefined', async () => {
    expect(await readHint(new MemoryDriver(), digest)).toBeUndefined();
  });

  test.each([
    ...['', '{', 'null', '[]', '{}', '"text"', '{"inc":"x","size":1,"repo":"a"}'],
    '{"inc":"01ARZ3NDEKTSV4RRFFQ69G5FAV","size":-1,"repo":"a"}',
    '{"inc":"01ARZ3NDEKTSV4RRFFQ69G5FAV","size":1,"repo":"../a"}',
    '{"inc":"01ARZ3NDEKTSV4RRFFQ69G5FAV","size":1}',
    '{"inc":"01ARZ3NDEKTSV4RRFFQ69G5FAV","size":1,"repo":"a"',
  ])('that are torn or make no sense, like %j, are as good as missing', async (torn) => {
    const driver = new MemoryDriver();
    await driver.put(hintKey(digest), text(torn));
    expect(await readHint(driver, digest)).toBeUndefined();
  });
});
