import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { ImportSource, SourceEntry } from '../importing/source.ts';
import { algorithmOf, digestOf, parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { MAX_MANIFEST_BYTES, manifestDescriptors, parseManifest } from '../oci/manifest.ts';
import { shapeOf } from '../oci/media-types.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { ByteRange, StoredObject } from '../storage/driver.ts';
import { ForeignUnreadable } from '../storage/foreign.ts';
import {
  blobFile,
  DOCKER_FILES,
  INDEX_FILE,
  invalid,
  LAYOUT_FILE,
  MAX_INDEX_BYTES,
  type Root,
  requireLayout,
  rootsOf,
} from './layout.ts';
import { type ReadAt, readTarFiles, type TarFile } from './tar-files.ts';

const PIECE_BYTES = 1024 * 1024;
const MAX_LAYOUT_BYTES = 4096;

/** The first bytes of compressed files. */
const COMPRESSIONS: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

type Files = ReadonlyMap<string, TarFile>;

/** A manifest of index.json with the repository that it goes to. An empty name if the archive says none. */
interface Placed extends Root {
  readonly repository: string;
}

/** What one repository gets, in the order in which it is imported. */
interface Contents {
  readonly layers: ReadonlySet<Digest>;
  /** With their media types; what an index lists comes before it. */
  readonly manifests: ReadonlyMap<Digest, string>;
}

/** A tar archive with an OCI image layout. Its files are found by their headers, then read where they are. */
export class ImageArchive implements ImportSource {
  readonly place: string;
  readonly gives = false;
  readonly #file: FileHandle;
  readonly #files: Files;
  readonly #roots: readonly Placed[];

  private constructor(place: string, file: FileHandle, files: Files, roots: readonly Placed[]) {
    this.place = place;
    this.#file = file;
    this.#files = files;
    this.#roots = roots;
  }

  /**
   * @param into the repository that gets everything; undefined: each manifest goes where the archive says
   * @throws RegistryError `request-invalid`, in one line
   */
  static async open(path: string, into: RepositoryName | undefined): Promise<ImageArchive> {
    const file = await openFile(path);
    try {
      const { size } = await file.stat();
      const readAt: ReadAt = (position, length) => readExactly(file, position, length);
      await refuseCompressed(readAt);
      const { files, special } = await readTarFiles(readAt, size, isWanted);
      refuseOthers(files, special);
      requireLayout(await readSmall(readAt, files, LAYOUT_FILE, MAX_LAYOUT_BYTES));
      const roots = rootsOf(await readSmall(readAt, files, INDEX_FILE, MAX_INDEX_BYTES));
      for (const root of roots) refuseOtherSize(root, files);
      return new ImageArchive(path, file, files, placed(roots, into));
    } catch (error) {
      await file.close();
      if (!(error instanceof RegistryError)) throw error;
      throw new RegistryError(error.kind, `${path} cannot be loaded: ${error.message}`, undefined, error);
    }
  }

  async *entries(): AsyncGenerator<SourceEntry> {
    const byRepository = Map.groupBy(this.#roots, ({ repository }) => repository);
    for (const [repo, roots] of byRepository) {
      const { layers, manifests } = await this.#contentsOf(roots);
      for (const digest of layers) yield { kind: 'layer', repo, digest, key: digest };
      for (const [digest, mediaType] of manifests) yield { kind: 'manifest', repo, digest, key: digest, mediaType };
      for (const { tag, digest } of roots) if (tag !== undefined) yield { kind: 'tag', repo, tag, key: digest };
    }
  }

  /** Everything below the manifests. What the archive lacks is left out if it need not be in a registry. */
  async #contentsOf(roots: readonly Root[]): Promise<Contents> {
    const layers = new Set<Digest>();
    const manifests = new Map<Digest, string>();
    const seen = new Set<Digest>();
    // A manifest is on the stack twice if it has parts: before them, and, as `done`, after them.
    const stack = roots.map(({ digest, mediaType }) => ({ digest, mediaType, done: false })).reverse();
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { digest, mediaType, done } = next;
      if (done) manifests.set(digest, mediaType);
      if (done || seen.has(digest)) continue;
      seen.add(digest);
      stack.push({ digest, mediaType, done: true });
      const { required, others, children } = await this.#partsOf(digest, mediaType);
      for (const part of required) layers.add(part);
      for (const part of others) if (this.#has(part)) layers.add(part);
      for (const child of children.toReversed()) if (this.#has(child.digest)) stack.push({ ...child, done: false });
    }
    return { layers, manifests };
  }

  /** What a manifest refers to; nothing if it cannot be read: the import says why. */
  async #partsOf(digest: Digest, mediaType: string): Promise<Parts> {
    const size = await this.sizeOf(digest);
    if (size === undefined || size > MAX_MANIFEST_BYTES) return NO_PARTS;
    const bytes = await this.read(digest);
    if (bytes === undefined || digestOf(algorithmOf(digest), bytes) !== digest) return NO_PARTS;
    try {
      const { refs, requiredBlobs } = parseManifest(bytes, mediaType);
      const children = manifestDescriptors(bytes, mediaType).filter((each) => shapeOf(each.mediaType) !== 'other');
      const known = new Set<Digest>([...requiredBlobs, ...children.map((each) => each.digest)]);
      return { required: requiredBlobs, others: refs.filter((each) => !known.has(each)), children };
    } catch (error) {
      if (error instanceof RegistryError) return NO_PARTS;
      throw error;
    }
  }

  #has(digest: Digest): boolean {
    return this.#files.has(blobFile(digest));
  }

  async digestOf({ key }: SourceEntry): Promise<Digest | undefined> {
    return parseDigest(key);
  }

  async sizeOf(digest: Digest): Promise<number | undefined> {
    return this.#files.get(blobFile(digest))?.size;
  }

  async read(digest: Digest): Promise<Uint8Array | undefined> {
    const found = this.#files.get(blobFile(digest));
    return found === undefined ? undefined : await this.#piece(found.start, found.size);
  }

  async open(digest: Digest): Promise<StoredObject | undefined> {
    const found = this.#files.get(blobFile(digest));
    if (found === undefined) return undefined;
    const open = ({ start, end }: ByteRange): ReadableStream<Uint8Array> => {
      let position = found.start + start;
      const stop = found.start + end;
      return new ReadableStream({
        pull: async (controller) => {
          const piece = await this.#piece(position, Math.min(PIECE_BYTES, stop - position));
          if (piece.length > 0) controller.enqueue(piece);
          position += piece.length;
          if (position === stop) controller.close();
        },
      });
    };
    return { size: found.size, body: { kind: 'stream', open } };
  }

  async #piece(position: number, length: number): Promise<Uint8Array> {
    const piece = await readExactly(this.#file, position, length);
    if (piece.length < length) throw new ForeignUnreadable('the archive was cut off while it was read');
    return piece;
  }

  give(): never {
    throw new Error('an archive cannot give its files away');
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

interface Parts {
  readonly required: readonly Digest[];
  /** Blobs that need not be there. */
  readonly others: readonly Digest[];
  readonly children: readonly { readonly digest: Digest; readonly mediaType: string }[];
}

const NO_PARTS: Parts = { required: [], others: [], children: [] };

async function openFile(path: string): Promise<FileHandle> {
  // Before it is opened, because opening a pipe waits for its writer.
  const found = await stat(path).catch((error: unknown) => {
    throw new RegistryError('request-invalid', `${path} cannot be read`, undefined, error);
  });
  if (!found.isFile()) throw new RegistryError('request-invalid', `${path} is no file: give a tar archive`);
  try {
    return await open(path, constants.O_RDONLY);
  } catch (error) {
    throw new RegistryError('request-invalid', `${path} cannot be read`, undefined, error);
  }
}

/** Fewer bytes only at the end of the file. */
async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer<ArrayBuffer>> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function refuseCompressed(readAt: ReadAt): Promise<void> {
  const start = await readAt(0, 8);
  for (const [name, magic] of COMPRESSIONS) {
    if (magic.every((byte, index) => start[index] === byte))
      throw invalid(`it is compressed with ${name}: decompress it first`);
  }
}

function isWanted(name: string): boolean {
  const layout: readonly string[] = [LAYOUT_FILE, INDEX_FILE, ...DOCKER_FILES];
  return layout.includes(name) || /^blobs\/(?:sha256|sha512)\/[0-9a-f]+$/.test(name);
}

function refuseOthers(files: Files, special: string | undefined): void {
  if (!files.has(LAYOUT_FILE) || !files.has(INDEX_FILE)) {
    if (DOCKER_FILES.some((name) => files.has(name))) {
      throw invalid(
        "it is in Docker's own format, which has no manifests: convert it with `skopeo copy docker-archive:<file> oci-archive:<new file>`",
      );
    }
    throw invalid(`it has no ${INDEX_FILE} of an OCI image layout`);
  }
  if (special !== undefined) throw invalid(`its entry ${special} is neither a file nor a folder`);
}

async function readSmall(readAt: ReadAt, files: Files, name: string, max: number): Promise<Buffer> {
  const { start, size } = files.get(name) ?? { start: 0, size: 0 };
  if (size > max) throw invalid(`its ${name} has ${size} bytes, more than ${max}`);
  return await readAt(start, size);
}

function refuseOtherSize({ digest, size }: Root, files: Files): void {
  const found = files.get(blobFile(digest));
  if (found !== undefined && found.size !== size)
    throw invalid(`its ${INDEX_FILE} says that ${digest} has ${size} bytes, but it has ${found.size}`);
}

/** @throws RegistryError `request-invalid` if it is not clear where everything goes */
function placed(roots: readonly Root[], into: RepositoryName | undefined): Placed[] {
  const named = new Set(roots.map(({ repository }) => repository).filter((name) => name !== undefined));
  if (into !== undefined) {
    if (named.size > 1) {
      const names = [...named].slice(0, 3).join(', ');
      throw invalid(
        `it has images of ${named.size} repositories (${names}${named.size > 3 ? ', …' : ''}): load it without the name of one`,
      );
    }
    return roots.map((root) => ({ ...root, repository: into }));
  }
  const [only] = named;
  if (only === undefined && roots.length > 0) {
    throw invalid(
      'it does not say which repository its images belong to: name one, as in `marina load <file> <repository>`',
    );
  }
  const rest = named.size === 1 && only !== undefined ? only : '';
  return roots.map((root) => ({ ...root, repository: root.repository ?? rest }));
}
