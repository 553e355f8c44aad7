/** A system call that succeeded. `begin` and `end` are its positions in the order of strace; `end` is its return. */
export interface Call {
  readonly op:
    | 'open'
    | 'write'
    | 'sync'
    | 'sync-all'
    | 'link'
    | 'rename'
    | 'remove'
    | 'make-folder'
    | 'receive'
    | 'send';
  /** Its object: a path, or a connection. */
  readonly path: string;
  /** The new name, of link and rename. */
  readonly to?: string;
  /** For open: whether it may create the file, and whether it truncates it. */
  readonly creates?: boolean;
  readonly empties?: boolean;
  /** For receive and send: the first bytes. */
  readonly text?: string;
  readonly begin: number;
  readonly end: number;
}

/** All calls that can change a file or folder, or send a response. */
export const TRACED = [
  'open,openat,creat,openat2,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,fallocate,copy_file_range',
  'fsync,fdatasync,syncfs,sync,sync_file_range,link,linkat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat',
  'recvfrom,recvmsg,read,sendto,sendmsg,sendfile,io_uring_enter',
].join(',');

const LINE = /^(\d+)\s+(.*)$/s;
const WHOLE = /^(\w+)\((.*)\)\s+= (-?\d+|\?)(.*)$/s;
const UNFINISHED = /^(\w+)\((.*?)\s*<unfinished \.\.\.>$/s;
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)$/s;
/** The process ended before strace could see which call the thread makes: the call did not begin. */
const NEVER_BEGUN = /^(\?\?\?\(|<\.\.\. \?\?\? resumed>)( <unfinished \.\.\.>)?(\)\s+= \?( <unavailable>)?)?$/;

/** Parses the output of `strace -f -yy`. @throws Error for a line that it does not understand, so that nothing is overlooked */
export function parseTrace(text: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { readonly name: string; readonly text: string; readonly begin: number }>();
  const ended = new Set<string>();
  for (const [order, line] of text.trimEnd().split('\n').entries()) {
    const [, thread, rest] = LINE.exec(line) ?? [];
    if (thread === undefined || rest === undefined) throw new Error(`not a line of strace: ${line}`);
    // Signals and the ends of threads.
    if (/^(---|\+\+\+) /.test(rest)) {
      if (rest.startsWith('+++')) ended.delete(thread);
      continue;
    }
    if (NEVER_BEGUN.test(rest)) {
      ended.add(thread);
      continue;
    }
    if (ended.has(thread)) throw new Error(`a thread continues although its process had ended: ${line}`);
    const [, begunName, begun] = UNFINISHED.exec(rest) ?? [];
    if (begunName !== undefined && begun !== undefined) {
      unfinished.set(thread, { name: begunName, text: begun, begin: order });
      continue;
    }
    const [, resumedName, ending] = RESUMED.exec(rest) ?? [];
    const first = unfinished.get(thread);
    if (resumedName !== undefined && ending !== undefined) {
      if (first?.name !== resumedName) throw new Error(`a call is resumed that never began: ${line}`);
      unfinished.delete(thread);
      addCall(calls, `${first.name}(${first.text}${ending}`, first.begin, order);
    } else {
      addCall(calls, rest, order, order);
    }
  }
  return calls.sort((a, b) => a.begin - b.begin);
}

function addCall(calls: Call[], text: string, begin: number, end: number): void {
  const [, name, raw, result, after] = WHOLE.exec(text) ?? [];
  if (name === undefined || raw === undefined || result === undefined || after === undefined)
    throw new Error(`not a system call: ${text}`);
  // A failed call changed nothing. `?`: the process ended within it.
  if (result === '?' || Number(result) < 0) return;
  const call = meaningOf(name, argumentsOf(raw), raw, argumentsOf(result + after).places[0]);
  if (call !== undefined) calls.push({ ...call, begin, end });
}

type Meaning = Omit<Call, 'begin' | 'end'>;

/** @param opened the path of the returned descriptor */
function meaningOf(name: string, { places, texts }: Arguments, raw: string, opened: string | undefined) {
  const [place = ''] = places;
  const named = (index: number): string => resolveAt(places[index], texts[index]);
  switch (name) {
    case 'open':
    case 'openat':
    case 'openat2':
    case 'creat':
      return {
        op: 'open',
        path: opened ?? '',
        creates: name === 'creat' || /\bO_CREAT\b/.test(raw),
        empties: name === 'creat' || /\bO_TRUNC\b/.test(raw),
      } satisfies Meaning;
    case 'truncate':
      return { op: 'write', path: texts[0] ?? '' } satisfies Meaning;
    case 'write':
    case 'writev':
    case 'pwrite64':
    case 'pwritev':
    case 'pwritev2':
    case 'ftruncate':
    case 'fallocate':
    case 'sendto':
    case 'sendmsg':
    case 'sendfile':
      return { op: isConnection(place) ? 'send' : 'write', path: place, text: texts[0] ?? '' } satisfies Meaning;
    case 'copy_file_range':
      return { op: 'write', path: places[1] ?? '' } satisfies Meaning;
    case 'fsync':
    case 'fdatasync':
      return { op: 'sync', path: place } satisfies Meaning;
    case 'syncfs':
    case 'sync':
      return { op: 'sync-all', path: place } satisfies Meaning;
    case 'link':
    case 'rename':
      return { op: name, path: texts[0] ?? '', to: texts[1] ?? '' } satisfies Meaning;
    case 'linkat':
      return { op: 'link', path: named(0), to: named(1) } satisfies Meaning;
    case 'renameat':
    case 'renameat2':
      return { op: 'rename', path: named(0), to: named(1) } satisfies Meaning;
    case 'unlink':
    case 'rmdir':
      return { op: 'remove', path: texts[0] ?? '' } satisfies Meaning;
    case 'unlinkat':
      return { op: 'remove', path: named(0) } satisfies Meaning;
    case 'mkdir':
      return { op: 'make-folder', path: texts[0] ?? '' } satisfies Meaning;
    case 'mkdirat':
      return { op: 'make-folder', path: named(0) } satisfies Meaning;
    case 'recvfrom':
    case 'recvmsg':
    case 'read':
      if (!isConnection(place)) return undefined;
      return { op: 'receive', path: place, text: texts[0] ?? '' } satisfies Meaning;
    // It guarantees nothing about metadata, so nothing may depend on it.
    case 'sync_file_range':
      return undefined;
    default:
      throw new Error(`the call ${name} is traced, but not handled`);
  }
}

function isConnection(place: string): boolean {
  return place.startsWith('TCP');
}

function resolveAt(folder: string | undefined, name: string | undefined): string {
  if (name === undefined) return '';
  return name.startsWith('/') || folder === undefined ? name : `${folder}/${name}`;
}

interface Arguments {
  /** The objects of descriptors, in order: `9</a/b>`, `AT_FDCWD</a>`, `8<TCP:[…]>`. */
  readonly places: readonly string[];
  /** Quoted strings, in order, with strace's escapes. */
  readonly texts: readonly string[];
}

/** Quoted strings are parsed as a whole, so that bytes of a client are never parsed as descriptors. */
function argumentsOf(raw: string): Arguments {
  const places: string[] = [];
  const texts: string[] = [];
  const pattern = /"((?:[^"\\]|\\.)*)"|(?:\b\d+|AT_FDCWD)<((?:TCP|TCPv6|UDP|UNIX)[^\]]*\][^>]*|[^>]*)>/gs;
  for (const [, text, place] of raw.matchAll(pattern)) {
    if (text !== undefined) texts.push(text);
    if (place !== undefined) places.push(place);
  }
  return { places, texts };
}
