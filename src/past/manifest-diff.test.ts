import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Digest } from '../oci/names.ts';
import { type ComparedManifest, compareManifests } from './manifest-diff.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const part = (letter: string, size: number) => ({ mediaType: 'layer', digest: digest(letter), size });

function image(letter: string, layers: readonly object[], config: unknown, more: object = {}): ComparedManifest {
  const json = { schemaVersion: 2, config: { digest: digest('c'), size: 10, mediaType: 'config' }, layers, ...more };
  return { digest: digest(letter), mediaType: 'image', size: 100, json, config };
}

describe('the difference of two images', () => {
  const before = image('1', [part('a', 1), part('b', 2)], {
    architecture: 'amd64',
    config: { Env: ['PATH=/bin', 'A=1'], Cmd: ['sh'], Labels: { x: '1' } },
    rootfs: { diff_ids: [1] },
    history: [1],
  });
  const after = image(
    '2',
    [part('a', 1), part('d', 4)],
    { architecture: 'arm64', config: { Env: ['PATH=/bin', 'B=2'], Cmd: ['sh'], Labels: { x: '2' } }, history: [2] },
    { annotations: { note: 'new' } },
  );

  test('has the layers that are added, gone and the same, with their sizes', () => {
    const { layers, bytes, from, to } = compareManifests(before, after);
    expect(layers.map(({ change, size }) => [change, size])).toEqual([
      ['same', 1],
      ['gone', 2],
      ['added', 4],
    ]);
    expect(bytes).toEqual({ same: 1, added: 4, gone: 2 });
    expect([from.total, to.total]).toEqual([113, 115]);
  });

  test('has the fields of the config that differ, and no others', () => {
    expect(compareManifests(before, after).fields).toEqual([
      { field: 'annotations.note', from: undefined, to: 'new' },
      { field: 'config.architecture', from: 'amd64', to: 'arm64' },
      { field: 'config.config.Env.A', from: '1', to: undefined },
      { field: 'config.config.Env.B', from: undefined, to: '2' },
      { field: 'config.config.Labels.x', from: '1', to: '2' },
    ]);
  });

  test('with itself is empty', () => {
    const { layers, fields } = compareManifests(before, before);
    expect(layers.every(({ change }) => change === 'same')).toBe(true);
    expect(fields).toEqual([]);
  });
});

test('parts that are gone stand where they were, and a part that comes twice stays in its place', () => {
  const order = (before: string, after: string): string => {
    const of = (letter: string, parts: string) =>
      image(
        letter,
        [...parts].map((each) => part(each, 1)),
        undefined,
      );
    const signs = { same: '', added: '+', gone: '-' } as const;
    const { layers } = compareManifests(of('1', before), of('2', after));
    return layers.map(({ change, digest: of }) => signs[change] + of.charAt(7)).join(' ');
  };
  expect(order('abc', 'adc')).toBe('a -b +d c');
  expect(order('abcd', 'ad')).toBe('a -b -c d');
  expect(order('ab', 'cab')).toBe('+c a b');
  expect(order('eae', 'ebe')).toBe('e -a +b e');
  expect(order('abc', 'cba')).toBe('c b a');
  expect(order('', 'ab')).toBe('+a +b');
});

test('a port that an image exposes is a difference', () => {
  const exposing = (...ports: readonly string[]) =>
    image('1', [], { config: { ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) } });
  expect(compareManifests(exposing('80/tcp'), exposing('80/tcp', '443/tcp')).fields).toEqual([
    { field: 'config.config.ExposedPorts.443/tcp', from: undefined, to: '{}' },
  ]);
});

test('the difference of two indexes has their manifests by platform', () => {
  const index = (letter: string, ...manifests: readonly object[]): ComparedManifest => ({
    ...{ digest: digest(letter), mediaType: 'index', size: 50, config: undefined },
    json: { schemaVersion: 2, manifests },
  });
  const arm = { ...part('a', 5), platform: { os: 'linux', architecture: 'arm', variant: 'v7' } };
  const { manifests } = compareManifests(index('1', part('b', 6)), index('2', arm));
  expect(manifests).toEqual([
    { change: 'gone', digest: digest('b'), mediaType: 'layer', size: 6 },
    { change: 'added', digest: digest('a'), mediaType: 'layer', size: 5, platform: 'linux/arm/v7' },
  ]);
});

test('any JSON can be compared, also with fields of the wrong type', () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 12 }),
    fc.record({ layers: fc.jsonValue(), manifests: fc.jsonValue(), config: fc.jsonValue() }, { requiredKeys: [] }),
  );
  fc.assert(
    fc.property(odd, odd, odd, odd, (json, config, otherJson, otherConfig) => {
      const one = { digest: digest('1'), mediaType: 'x', size: 1, json, config };
      const other = { digest: digest('2'), mediaType: 'x', size: 1, json: otherJson, config: otherConfig };
      const { from, to } = compareManifests(one, other);
      expect([from.total >= 1, to.total >= 1]).toEqual([true, true]);
    }),
  );
});

test('of a config with a flood of fields, or with long names in each other, only the first fields are compared', () => {
  const flood = (name: string) => ({
    [name.repeat(2_000)]: Object.fromEntries(
      Array.from({ length: 30 }, (_, group) => [
        `group${group}`,
        Object.fromEntries(Array.from({ length: 1_000 }, (_, field) => [`${name}${field}`, field])),
      ]),
    ),
    [name]: Object.fromEntries(Array.from({ length: 20_000 }, (_, field) => [`${name}${field}`, field])),
    Env: Array.from({ length: 20_000 }, (_, variable) => `${name}${variable}=1`),
  });
  const { fields } = compareManifests(image('1', [], flood('a')), image('2', [], flood('b')));
  expect(fields).toHaveLength(1_000);
  const characters = fields.reduce(
    (sum, { field, from = '', to = '' }) => sum + field.length + from.length + to.length,
    0,
  );
  expect(characters).toBeLessThan(100_000);
});

test('an object whose path is long is compared as a whole', () => {
  const nested = (value: number) => image('1', [], { ['n'.repeat(500)]: { inside: value } });
  const [difference, ...others] = compareManifests(nested(1), nested(2)).fields;
  expect(others).toEqual([]);
  expect([difference?.from, difference?.to]).toEqual(['{"inside":1}', '{"inside":2}']);
});
