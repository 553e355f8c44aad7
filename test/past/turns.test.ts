// Comparing hostile images takes tens of milliseconds each; other requests get their turns meanwhile.
import { expect, test } from 'bun:test';
import { setImmediate as immediate } from 'node:timers/promises';
import type { Digest } from '../../src/oci/names.ts';
import { openHistory, openStates } from '../../src/wiring/past.ts';
import { image, json, mediaTypes } from '../support/oci.ts';
import { A, CALLER, openRegistry, tag } from '../support/registry.ts';

test('differences that are asked for at once leave other requests their turns', async () => {
  const { driver, push, registry } = openRegistry();
  for (const name of ['a', 'b']) {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`${name}${index}`, index]));
    const pushed = image({ config: json({ config: many }, mediaTypes.config), layers: [] });
    for (const { bytes } of pushed.blobs) await push(A, bytes);
    const { mediaType, digest } = pushed.descriptor;
    const manifest = { bytes: new Uint8Array(pushed.bytes), contentType: mediaType, digest: digest as Digest };
    await registry.pushManifest(A, { ...manifest, tags: [tag(name)] }, CALLER);
  }
  const history = openHistory(driver, openStates(driver, 1_000_000));
  const side = (name: string) => ({ kind: 'manifest', reference: { tag: tag(name) }, at: undefined }) as const;
  let isDone = false;
  let turns = 0;
  const others = (async () => {
    for (; !isDone; turns++) await immediate();
  })();
  const asked = Array.from({ length: 20 }, () => history.diff(A, side('a'), side('b')));
  for (const diff of await Promise.all(asked)) expect(diff).toMatchObject({ kind: 'manifests' });
  isDone = true;
  await others;
  expect(turns).toBeGreaterThan(asked.length);
});
