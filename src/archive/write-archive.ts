import { createHash } from 'node:crypto';
import { algorithmOf, digestFromHex } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { piecesOf } from '../storage/digest-object.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { dockerManifest } from './docker-manifest.ts';
import type { ExportedObject, ExportPlan } from './export-plan.ts';
import { blobFile, DOCKER_MANIFEST_FILE, layoutFiles } from './layout.ts';
import { END_OF_ARCHIVE, headerOf, paddingOf } from './tar-files.ts';

export interface ArchivePorts {
  readonly reader: StoreReader;
  /** Writes the next bytes of the archive. They must not be used after the promise has resolved. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Called with the length of each piece of content. */
  readonly onBytes: (count: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Writes an archive in one pass. All content is verified on the way. If it fails, what was written is no archive: its end is missing.
 * @throws RegistryError `content-damaged` for bytes that are missing or do not match their digest; the signal's reason
 */
export async function writeArchive(plan: ExportPlan, ports: ArchivePorts): Promise<void> {
  const { reader, write, signal } = ports;
  const files = new Map(layoutFiles(plan.manifests));
  const docker = await dockerManifest(plan, reader);
  if (docker !== undefined) files.set(DOCKER_MANIFEST_FILE, docker);
  for (const [name, bytes] of files) {
    await write(headerOf(name, bytes.length));
    await write(bytes);
    await write(paddingOf(bytes.length));
  }
  for (const object of plan.objects) {
    signal.throwIfAborted();
    await write(headerOf(blobFile(object.digest), object.size));
    await writeContent(object, ports);
    await write(paddingOf(object.size));
  }
  await write(END_OF_ARCHIVE);
}

async function writeContent(
  { repo, digest, size, inc }: ExportedObject,
  { reader, write, onBytes, signal }: ArchivePorts,
): Promise<void> {
  const object = await reader.open(dataKey(inc), signal);
  if (object?.size !== size) throw damaged(repo, digest);
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  for await (const piece of piecesOf(object.body, size)) {
    signal.throwIfAborted();
    hash.update(piece);
    await write(piece);
    onBytes(piece.length);
  }
  if (digestFromHex(algorithm, hash.digest('hex')) !== digest) throw damaged(repo, digest);
}

function damaged(repo: string, digest: string): RegistryError {
  return new RegistryError(
    'content-damaged',
    `the bytes of ${digest} in ${repo} are damaged, or were deleted during the export: run it again, and fsck if it fails again`,
    { digest },
  );
}
