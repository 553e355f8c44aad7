/** What a name held: a digest, `present` for content that is there or not, undefined for nothing. */
export type Value = string | undefined;

/** One write to one register. Times are ticks of the history: requests overlap when their spans do. */
interface Write {
  readonly value: Value;
  readonly start: number;
  /** When the acknowledgement came; Infinity while none did. */
  end: number;
}

type Kind = 'tag' | 'manifest' | 'blob';

/** One name: a tag, a manifest or a blob of one repository. */
export class Register {
  readonly kind: Kind;
  readonly repository: string;
  /** The tag or the digest. */
  readonly name: string;
  readonly #deletionsOf: (digest: string) => readonly Write[];
  /** What was seen at the last look, when nothing was in flight. */
  #settled: Value;
  #writes: Write[] = [];

  /** @param deletionsOf the deletions of a manifest of the repository, which take its tags along */
  constructor(kind: Kind, repository: string, name: string, deletionsOf: (digest: string) => readonly Write[]) {
    this.kind = kind;
    this.repository = repository;
    this.name = name;
    this.#deletionsOf = deletionsOf;
  }

  add(write: Write): void {
    this.#writes.push(write);
  }

  remove(taken: Write): void {
    this.#writes = this.#writes.filter((write) => write !== taken);
  }

  get deletions(): readonly Write[] {
    return this.#writes.filter(({ value }) => value === undefined);
  }

  /** Every value that the name may hold now without an acknowledged write having been lost or undone. */
  possible(): ReadonlySet<Value> {
    const first: Write = { value: this.#settled, start: -1, end: -1 };
    const possible = new Set<Value>();
    for (const write of [first, ...this.#writes]) {
      const overwritten = this.#writes.some((later) => later.end !== Infinity && later.start > write.end);
      if (overwritten) continue;
      const drops = this.#dropsAfter(write);
      if (drops.length > 0) possible.add(undefined);
      const surelyDropped = drops.some((drop) => drop.end !== Infinity && drop.start > write.end);
      if (!surelyDropped) possible.add(write.value);
    }
    return possible;
  }

  #dropsAfter({ value, start }: Write): readonly Write[] {
    if (this.kind !== 'tag' || value === undefined) return [];
    return this.#deletionsOf(value).filter((drop) => drop.end > start);
  }

  /** Values of writes that began after a tick, whatever became of them; a manifest's deletion counts for its tags. */
  begunAfter(tick: number): readonly Value[] {
    const later = this.#writes.filter(({ start }) => start > tick);
    const held = [this.#settled, ...this.#writes.map(({ value }) => value)];
    const dropped = held.some(
      (value) =>
        value !== undefined && this.kind === 'tag' && this.#deletionsOf(value).some((each) => each.start > tick),
    );
    return [...later.map(({ value }) => value), ...(dropped ? [undefined] : [])];
  }

  /** How many acknowledged writes the next look at this name judges. */
  get acknowledged(): number {
    return this.#writes.filter(({ end }) => end !== Infinity).length;
  }

  get settled(): Value {
    return this.#settled;
  }

  get touched(): boolean {
    return this.#writes.length > 0;
  }

  /** Everything is quiet, and this is what the servers show. Tags are settled before their manifests. */
  settle(value: Value): void {
    this.#settled = value;
    this.#writes = [];
  }

  toString(): string {
    const writes = this.#writes.map(
      ({ value, start, end }) => `${value ?? 'deleted'} at ${start}-${end === Infinity ? 'in flight' : end}`,
    );
    const before = `before: ${this.#settled ?? 'nothing'}`;
    return `${this.kind} ${this.repository} ${this.name} (${[before, ...writes].join('; ')})`;
  }
}

/** One request that changes something, from before it was sent. Without a word about its end it stays in flight. */
export interface Operation {
  acknowledge(): void;
  /** It was refused: nothing changed. */
  refuse(): void;
}

/** What clients were told, and what was under way, since the last time that everything was looked at. */
export class History {
  readonly #registers = new Map<string, Register>();
  readonly #tags = new Map<string, Register[]>();
  #clock = 0;

  tag(repository: string, name: string): Register {
    return this.#register('tag', repository, name);
  }

  manifest(repository: string, digest: string): Register {
    return this.#register('manifest', repository, digest);
  }

  blob(repository: string, digest: string): Register {
    return this.#register('blob', repository, digest);
  }

  #register(kind: Kind, repository: string, name: string): Register {
    const key = `${kind} ${repository} ${name}`;
    const known = this.#registers.get(key);
    if (known !== undefined) return known;
    const register = new Register(kind, repository, name, (digest) => this.manifest(repository, digest).deletions);
    this.#registers.set(key, register);
    if (kind === 'tag') this.#tags.set(repository, [...this.tagsOf(repository), register]);
    return register;
  }

  all(): readonly Register[] {
    return [...this.#registers.values()];
  }

  tagsOf(repository: string): readonly Register[] {
    return this.#tags.get(repository) ?? [];
  }

  /** To be called before a read is sent; what it gives says, after the answer, what the answer may have been. */
  watch(register: Register): () => ReadonlySet<Value> {
    const start = this.#clock;
    const before = register.possible();
    return () => new Set([...before, ...register.begunAfter(start)]);
  }

  /** A request that sets all of these, or none. */
  begin(...changes: readonly (readonly [Register, Value])[]): Operation {
    const start = ++this.#clock;
    const parts = changes.map(([register, value]) => {
      const write: Write = { value, start, end: Infinity };
      register.add(write);
      return { register, write };
    });
    return {
      acknowledge: () => {
        const end = ++this.#clock;
        for (const { write } of parts) write.end = end;
      },
      refuse: () => {
        for (const { register, write } of parts) register.remove(write);
      },
    };
  }
}
