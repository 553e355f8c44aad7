import { expect, test } from 'bun:test';
import { digestOf } from '../oci/digest.ts';
import { decodeManifest } from './manifest.ts';

test.each([
  ['is not compressed', Buffer.from('anything')],
  ['is empty', Buffer.alloc(0)],
  ['is compressed, but no JSON', Bun.zstdCompressSync('anything')],
  ['is JSON of another form', Bun.zstdCompressSync('{}')],
])('a manifest whose content %s has a problem, though its digest is right', (_, body) => {
  const head = JSON.stringify({ v: 1, digest: digestOf('sha256', body) });
  const decoded = decodeManifest(Buffer.concat([Buffer.from(`${head}\n`), body]));
  expect('problem' in decoded ? decoded.problem : 'none').toMatch(/^it (?:is damaged|cannot be read: )/);
});
