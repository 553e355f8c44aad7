// Archives that tests make by hand, good and hostile ones.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Header } from 'tar/header';
import { END_OF_ARCHIVE, headerOf, paddingOf } from '../../src/archive/tar-files.ts';
import type { Content, Descriptor } from '../support/oci.ts';
import { temporaryFolder } from '../support/server.ts';

/** Entries of an archive, in order. */
export type Entry =
  | { readonly name: string; readonly bytes: Uint8Array | string }
  | { readonly name: string; readonly linkTo: string };

/** Writes a tar file. @returns its path */
export function writeTar(entries: readonly Entry[]): string {
  const path = join(temporaryFolder('archive'), 'made.tar');
  writeFileSync(path, Buffer.concat([...entries.flatMap(blocksOf), END_OF_ARCHIVE]));
  return path;
}

function blocksOf(entry: Entry): Uint8Array[] {
  if ('linkTo' in entry) {
    const block = Buffer.alloc(512);
    new Header({ path: entry.name, linkpath: entry.linkTo, type: 'SymbolicLink', size: 0 }).encode(block);
    return [block];
  }
  const bytes = typeof entry.bytes === 'string' ? new TextEncoder().encode(entry.bytes) : entry.bytes;
  return [headerOf(entry.name, bytes.length), bytes, paddingOf(bytes.length)];
}

export function blobEntry({ descriptor, bytes }: Content): Entry {
  return { name: `blobs/${descriptor.digest.replace(':', '/')}`, bytes };
}

/** The files of a layout whose index names some manifests, with the annotation that clients use for names. */
export function layoutEntries(named: readonly (readonly [name: string | undefined, Content])[]): Entry[] {
  const manifests = named.map(([name, { descriptor }]): Descriptor => {
    return name === undefined
      ? descriptor
      : { ...descriptor, annotations: { 'org.opencontainers.image.ref.name': name } };
  });
  return [
    { name: 'oci-layout', bytes: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', bytes: JSON.stringify({ schemaVersion: 2, manifests }) },
  ];
}
