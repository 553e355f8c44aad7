type Value =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'hash'; readonly fields: Map<string, string> }
  | { readonly kind: 'zset'; readonly scores: Map<string, number>; sorted: readonly string[] | undefined };

interface Entry {
  value: Value;
  /** Milliseconds of the server's time; undefined: never. */
  expires: number | undefined;
}

/** The keys of one Redis, with the types that the scripts use. */
export class Keyspace {
  #entries = new Map<string, Entry>();

  /** A copy, like a dump or an up-to-date replica. */
  copy(): Keyspace {
    const copy = new Keyspace();
    for (const [key, { value, expires }] of this.#entries) copy.#entries.set(key, { value: copyOf(value), expires });
    return copy;
  }

  clear(): void {
    this.#entries.clear();
  }

  keys(): readonly string[] {
    return [...this.#entries.keys()];
  }

  has(key: string, now: number): boolean {
    return this.#get(key, now) !== undefined;
  }

  delete(key: string, now: number): boolean {
    return this.#get(key, now) !== undefined && this.#entries.delete(key);
  }

  string(key: string, now: number): string | null {
    const value = this.#get(key, now)?.value;
    if (value === undefined) return null;
    if (value.kind !== 'string') throw wrongType();
    return value.text;
  }

  set(key: string, text: string, expires: number | undefined): void {
    this.#entries.set(key, { value: { kind: 'string', text }, expires });
  }

  /** @returns whether the key exists */
  expire(key: string, expires: number | undefined, now: number): boolean {
    const entry = this.#get(key, now);
    if (entry === undefined) return false;
    entry.expires = expires;
    return true;
  }

  /** Milliseconds until it expires; -1: never, -2: there is no such key. */
  left(key: string, now: number): number {
    const entry = this.#get(key, now);
    if (entry === undefined) return -2;
    return entry.expires === undefined ? -1 : Math.ceil(entry.expires - now);
  }

  hash(key: string, now: number): ReadonlyMap<string, string> {
    const value = this.#get(key, now)?.value;
    if (value === undefined) return NO_FIELDS;
    if (value.kind !== 'hash') throw wrongType();
    return value.fields;
  }

  setField(key: string, field: string, text: string, now: number): boolean {
    const value = this.#getOrMake(key, now, () => ({ kind: 'hash', fields: new Map() }));
    if (value.kind !== 'hash') throw wrongType();
    const isNew = !value.fields.has(field);
    value.fields.set(field, text);
    return isNew;
  }

  deleteField(key: string, field: string, now: number): boolean {
    const value = this.#get(key, now)?.value;
    if (value === undefined) return false;
    if (value.kind !== 'hash') throw wrongType();
    const was = value.fields.delete(field);
    if (value.fields.size === 0) this.#entries.delete(key);
    return was;
  }

  /** Members by score, those of one score by their bytes. */
  members(key: string, now: number): readonly string[] {
    const value = this.#get(key, now)?.value;
    if (value === undefined) return [];
    if (value.kind !== 'zset') throw wrongType();
    const { scores } = value;
    value.sorted ??= [...scores.keys()].sort((a, b) => {
      const byScore = (scores.get(a) ?? 0) - (scores.get(b) ?? 0);
      if (byScore !== 0) return byScore;
      return a < b ? -1 : 1;
    });
    return value.sorted;
  }

  score(key: string, member: string, now: number): number | undefined {
    const value = this.#get(key, now)?.value;
    return value?.kind === 'zset' ? value.scores.get(member) : undefined;
  }

  addMember(key: string, member: string, score: number, now: number): boolean {
    const value = this.#getOrMake(key, now, () => ({ kind: 'zset', scores: new Map(), sorted: undefined }));
    if (value.kind !== 'zset') throw wrongType();
    const before = value.scores.get(member);
    if (before === score) return false;
    value.scores.set(member, score);
    value.sorted = undefined;
    return before === undefined;
  }

  deleteMember(key: string, member: string, now: number): boolean {
    const value = this.#get(key, now)?.value;
    if (value === undefined) return false;
    if (value.kind !== 'zset') throw wrongType();
    if (!value.scores.delete(member)) return false;
    value.sorted = undefined;
    if (value.scores.size === 0) this.#entries.delete(key);
    return true;
  }

  #get(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry?.expires === undefined || entry.expires > now) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  #getOrMake(key: string, now: number, make: () => Value): Value {
    const found = this.#get(key, now);
    if (found !== undefined) return found.value;
    const value = make();
    this.#entries.set(key, { value, expires: undefined });
    return value;
  }
}

const NO_FIELDS: ReadonlyMap<string, string> = new Map();

function copyOf(value: Value): Value {
  if (value.kind === 'hash') return { kind: 'hash', fields: new Map(value.fields) };
  if (value.kind === 'zset') return { kind: 'zset', scores: new Map(value.scores), sorted: value.sorted };
  return value;
}

function wrongType(): Error {
  return new Error('WRONGTYPE Operation against a key holding the wrong kind of value');
}
