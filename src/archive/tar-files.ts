import { Header } from 'tar/header';
import { Pax } from 'tar/pax';
import { invalid } from './layout.ts';

/*
 * Reads which files a tar archive has, without reading their content, and writes headers. The archive may be hostile: whatever it
 * claims is checked against its real size, and everything that it can make us keep is bounded.
 */

/** Where the content of a file is in the archive. */
export interface TarFile {
  /** Bytes from the beginning of the archive. */
  readonly start: number;
  readonly size: number;
}

/** Reads exactly `length` bytes, or fewer at the end of the archive. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

export interface TarFiles {
  readonly files: ReadonlyMap<string, TarFile>;
  /** The first entry that is neither a file nor a folder. Nothing is ever read through it. */
  readonly special: string | undefined;
}

const BLOCK_BYTES = 512;
/** Also what an export may have. Each takes about 200 bytes of memory. */
export const MAX_ENTRIES = 250_000;
/** Of one extended header. Those of real archives have a few hundred bytes. */
const MAX_EXTENSION_BYTES = 1024 * 1024;
/** In characters: messages quote names. */
const MAX_SHOWN = 100;

/**
 * @param size of the archive in bytes
 * @param wanted whether a file is of interest; no others are kept
 * @throws RegistryError `request-invalid` for an archive that is damaged, cut off or hostile
 */
export async function readTarFiles(readAt: ReadAt, size: number, wanted: (name: string) => boolean): Promise<TarFiles> {
  const files = new Map<string, TarFile>();
  let special: string | undefined;
  let extended: Extended = {};
  let position = 0;
  for (let entries = 0; ; entries++) {
    if (entries > MAX_ENTRIES) throw invalid(`it has more than ${MAX_ENTRIES} entries`);
    const header = await readHeader(readAt, position, extended);
    if (header === undefined) return { files, special };
    const start = position + BLOCK_BYTES;
    if (start + header.size > size) throw invalid(`it is cut off in its entry ${shown(header.name)}`);
    const file = { start, size: header.size };
    switch (header.kind) {
      case 'extension':
        extended = { ...extended, ...(await readExtension(readAt, header, file)) };
        break;
      case 'global':
        break;
      case 'file': {
        const name = plainName(header.name);
        if (wanted(name)) {
          if (files.has(name)) throw invalid(`it has the file ${shown(name)} twice`);
          files.set(name, file);
        }
        extended = {};
        break;
      }
      case 'folder':
        plainName(header.name);
        extended = {};
        break;
      case 'special':
        special ??= shown(header.name);
        extended = {};
        break;
    }
    position = start + Math.ceil(file.size / BLOCK_BYTES) * BLOCK_BYTES;
  }
}

/** What extended headers say about the entry after them. */
interface Extended {
  readonly path?: string;
  readonly size?: number;
}

interface TarHeader {
  readonly kind: 'file' | 'folder' | 'special' | 'global' | 'extension';
  readonly type: string;
  readonly name: string;
  readonly size: number;
}

/** @returns undefined at the end-of-archive mark */
async function readHeader(readAt: ReadAt, position: number, extended: Extended): Promise<TarHeader | undefined> {
  const block = await readAt(position, BLOCK_BYTES);
  if (block.length < BLOCK_BYTES) throw invalid('it is cut off: the mark at its end is missing');
  const header = decoded(block, position);
  if (header.nullBlock) return undefined;
  if (!header.cksumValid) throw notTar(position);
  const type: string = header.type;
  const kind = kindOf(type);
  // Extended headers are about the next entry with content, and not about further extended headers.
  const said = kind === 'extension' || kind === 'global' ? {} : extended;
  const name = said.path ?? header.path ?? '';
  const size = kind === 'folder' ? 0 : (said.size ?? header.size ?? 0);
  if (!Number.isSafeInteger(size) || size < 0) throw invalid(`its entry ${shown(name)} has no valid size`);
  return { kind, type, name, size };
}

function decoded(block: Buffer, position: number): Header {
  try {
    return new Header(block);
  } catch (error) {
    // The library throws for numbers that are out of range.
    throw notTar(position, error);
  }
}

function kindOf(type: string): TarHeader['kind'] {
  switch (type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile':
      return 'file';
    case 'Directory':
      return 'folder';
    case 'ExtendedHeader':
    case 'OldExtendedHeader':
    case 'NextFileHasLongPath':
    case 'NextFileHasLongLinkpath':
      return 'extension';
    case 'GlobalExtendedHeader':
      return 'global';
    default:
      return 'special';
  }
}

async function readExtension(readAt: ReadAt, { type }: TarHeader, { start, size }: TarFile): Promise<Extended> {
  if (size > MAX_EXTENSION_BYTES) throw invalid(`it has an extended header of ${size} bytes`);
  if (type === 'NextFileHasLongLinkpath') return {};
  const text = (await readAt(start, size)).toString('utf8');
  if (type === 'NextFileHasLongPath') return { path: text.replace(/\0.*$/s, '') };
  const { path, size: declared } = Pax.parse(text);
  return {
    // The library turns values that are numbers into numbers, whatever their key.
    ...(path === undefined ? {} : { path: String(path) }),
    ...(declared === undefined ? {} : { size: Number(declared) }),
  };
}

/** The name of an entry without a leading `./`. @throws RegistryError `request-invalid` if it leads out of the archive */
function plainName(name: string): string {
  const parts = name.split('/');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0'))
    throw invalid(`it has an entry with the name ${shown(name)}`);
  return name.replace(/^(?:\.\/)+/, '');
}

function notTar(position: number, cause?: unknown): Error {
  const error = position === 0 ? invalid('it is no tar archive') : invalid(`it is damaged at byte ${position}`);
  error.cause = cause;
  return error;
}

function shown(name: string): string {
  return JSON.stringify(name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name);
}

/** Two empty blocks end an archive. */
export const END_OF_ARCHIVE = new Uint8Array(2 * BLOCK_BYTES);

/** The header of a file, with an extended one before it where the name or the size needs that. The same for the same file at any time. */
export function headerOf(name: string, size: number): Uint8Array {
  const facts = { path: name, size, mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) };
  const block = Buffer.alloc(BLOCK_BYTES);
  const needsExtension = new Header({ ...facts, type: 'File' }).encode(block);
  return needsExtension ? Buffer.concat([new Pax(facts).encode(), block]) : block;
}

/** What follows the content of a file, up to the next header. */
export function paddingOf(size: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}
