/** The value of a name: the digest of a tag, `present` for existing content, undefined for none. */
export type Value = string | undefined;

/** One write to one register. Times are ticks of the history: requests overlap when their spans do. */
interface Write {
  readonly value: Value;
  readonly start: number;
  /** When it was acknowledged; Infinity until then. */
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
  /** The value at the last check, when nothing was in flight. */
  #settled: Value;
  #writes: Write[] = [];

  /** @param deletionsOf the deletions of a manifest of the repository, which delete its tags too */
  constructor(kind: Kind, repository: string, name: string, deletionsOf: (digest: string) => readonly Write[]) {
    this.kind = kind;
    this.repository = repository;
    this.name = name;
    this.#deletionsOf = deletionsOf;
  }

  add(write: Write): void {
    this.#writes.push(write);
  }

  remove(removed: Write): void {
    this.#writes = this.#writes.filter((write) => write !== removed);
  }

  get deletions(): readonly Write[] {
    return this.#writes.filter(({ value }) => value === undefined);
  }

  /** Every value that the name may have now if no acknowledged write was lost or undone. */
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

  /** Values of writes that began after a tick, whatever their outcome; a manifest's deletion counts for its tags. */
  begunAfter(tick: number): readonly Value[] {
    const later = this.#writes.filter(({ start }) => start > tick);
    const held = [this.#settled, ...this.#writes.map(({ value }) => value)];
    const dropped = held.some(
      (value) =>
        value !== undefined && this.kind === 'tag' && this.#deletionsOf(value).some((each) => each.start > tick),
    );
    return [...later.map(({ value }) => value), ...(dropped ? [undefined] : [])];
  }

  /** The number of acknowledged writes that the next check of this name covers. */
  get acknowledged(): number {
    return this.#writes.filter(({ end }) => end !== Infinity).length;
  }

  get settled(): Value {
    return this.#settled;
  }

  get touched(): boolean {
    return this.#writes.length > 0;
  }

  /** Records what the servers show while nothing is in flight. Tags are settled before their manifests. */
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

/** One write request, from before it is sent. It stays in flight until its outcome is recorded. */
export interface Operation {
  acknowledge(): void;
  /** Nothing changed. */
  refuse(): void;
}

/** The responses that clients got, and the requests in flight, since the last check of everything. */
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

  /** Call it before a read is sent. @returns a function that gives, after the response, the values that it may have shown */
  watch(register: Register): () => ReadonlySet<Value> {
    const start = this.#clock;
    const before = register.possible();
    return () => new Set([...before, ...register.begunAfter(start)]);
  }

  /** A request that sets all of these values, or none. */
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
