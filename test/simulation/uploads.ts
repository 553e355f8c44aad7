// Chunked uploads: each request may reach another node, two clients may use one session, and bodies break off.
import { digestOf } from '../../src/oci/digest.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import type { Digest, RepositoryName, UploadId } from '../../src/oci/names.ts';
import type { Session } from '../../src/registry/sessions.ts';
import { UploadBody } from '../../src/registry/upload-body.ts';
import type { Pusher } from '../../src/registry/uploads.ts';
import type { PastState } from './history.ts';
import type { Machine } from './machine.ts';
import type { SimulatedNode } from './node.ts';
import { callerOf } from './operations.ts';
import type { Random } from './random.ts';
import type { TimedOutcome, World } from './world.ts';

/** Bytes that were sent at one offset of an upload, and that may have been kept, in part or whole. */
interface Sent {
  readonly at: number;
  readonly bytes: string;
}

const TRIES = 8;
/** Longer than a lease lasts unless it is renewed, in milliseconds. */
const LEASE_EXPIRED_MS = 11_000;

/** One upload as its clients see it. */
class Upload {
  readonly #world: World;
  readonly #random: Random;
  readonly #repo: RepositoryName;
  readonly #name: string;
  readonly #id: UploadId;
  readonly #begun: number;
  /** The possible committed contents: more than one after a request without an answer. */
  #contents: readonly string[] = [''];
  /** Requests without an answer. */
  #uncertain: Sent[] = [];
  /** Digests of closing requests without an answer. */
  readonly #closings: Digest[] = [];
  #mayBeEnded = false;
  #isOver = false;

  constructor(world: World, repo: RepositoryName, name: string, id: UploadId, begun: number) {
    this.#world = world;
    this.#random = world.random;
    this.#repo = repo;
    this.#name = name;
    this.#id = id;
    this.#begun = begun;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get offset(): number {
    return this.#contents[0]?.length ?? 0;
  }

  /**
   * It may be unknown, or at an earlier offset: Redis has lost data since the upload began, or the upload has ended, and the process that
   * knew that was killed.
   */
  get #mayBeLost(): boolean {
    const { redis, restarts } = this.#world;
    const lost = this.#closings.length > 0 ? [...redis.losses, ...restarts] : redis.losses;
    return lost.some((step) => step >= this.#begun);
  }

  /** One client sends the next bytes, or two at once. */
  async send(): Promise<void> {
    const at = this.offset;
    const count = this.#random.chance(0.3) ? 2 : 1;
    const pieces = Array.from({ length: count }, (_, index) => this.#newBytes(index));
    const answers = await Promise.all(pieces.map((bytes) => this.#patch(at, bytes)));
    const accepted = answers.filter((each) => each.outcome.kind === 'ok');
    if (accepted.length > 1) return this.#wrongOffset(`two requests were accepted at ${at}`);
    for (const [index, { outcome }] of answers.entries()) {
      const bytes = pieces[index] ?? '';
      if (outcome.kind === 'ok') this.#advance(at, bytes, outcome.value);
      else if (outcome.kind === 'unknown') this.#uncertain.push({ at, bytes });
      else if (outcome.error === 'upload-unknown') this.#lost();
      else if (outcome.error !== 'upload-out-of-order') this.#world.history.violated(`${this.#name}: ${outcome.error}`);
    }
    if (accepted.length === 0 && !this.#isOver) await this.askOffset();
  }

  #newBytes(writer: number): string {
    // Each byte identifies its writer and request.
    const letter = String.fromCharCode(97 + ((this.#world.nextNumber() + 13 * writer) % 26));
    return letter.repeat(this.#random.between(1, 40));
  }

  #patch(at: number, bytes: string): Promise<TimedOutcome<Session>> {
    const breaks = this.#random.chance(0.15);
    const pause = this.#random.chance(0.1) ? 4_000 : this.#random.between(0, 30);
    return this.#request(
      `patch ${at}+${bytes.length}${breaks ? ' that breaks off' : ''}`,
      ({ registry, machine }, pusher) => {
        const body = bodyOf(bytes, machine, pause, breaks);
        return registry.uploads.append(this.#id, pusher, body, { start: at, end: at + bytes.length - 1 });
      },
    );
  }

  #advance(at: number, bytes: string, session: Session): void {
    if (session.offset !== at + bytes.length) {
      this.#wrongOffset(`${bytes.length} bytes at ${at} lead to ${session.offset}`);
    }
    this.#contents = this.#contents.map((content) => content.slice(0, at) + bytes);
  }

  /** An upload that Redis set back no longer has a holder. */
  #wrongOffset(what: string): void {
    this.#isOver = true;
    if (!this.#mayBeLost) this.#world.history.violated(`${this.#name}: ${what}`);
  }

  #lost(): void {
    this.#isOver = true;
    if (this.#mayBeLost || this.#mayBeEnded) return;
    if (this.#closings.length === 0) {
      this.#world.history.violated(`${this.#name} is unknown although Redis lost nothing`);
      return;
    }
    // One of the closing requests without an answer was carried out.
    this.#observeLinked(this.#closings, this.#name, this.#begun, this.#world.scheduler.step);
  }

  /** Asks for the offset of the upload. */
  async askOffset(): Promise<void> {
    const { outcome } = await this.#request('status', ({ registry }, pusher) =>
      registry.uploads.status(this.#id, pusher),
    );
    if (outcome.kind === 'refused') {
      if (outcome.error === 'upload-unknown') this.#lost();
      else this.#world.history.violated(`${this.#name}: ${outcome.error}`);
      return;
    }
    if (outcome.kind === 'unknown') return;
    const { offset } = outcome.value;
    if (offset < this.offset && !this.#mayBeLost) {
      this.#world.history.violated(`${this.#name} went back from ${this.offset} to ${offset}`);
    }
    this.#contents = this.#possible(offset);
    if (this.#contents.length === 0) {
      this.#wrongOffset(`it is at ${offset}, which no request can have reached`);
    }
  }

  /** The possible first bytes, given the offset: requests without an answer may have been accepted one after another. */
  #possible(offset: number): readonly string[] {
    const found = new Set<string>();
    const grow = (content: string): void => {
      if (content.length >= offset) found.add(content.slice(0, offset));
      else
        for (const { at, bytes } of this.#uncertain) {
          if (at === content.length && bytes.length > 0) grow(content + bytes);
        }
    };
    for (const content of this.#contents) grow(content);
    return [...found];
  }

  /** Sends the digests of the possible contents, until one is accepted. */
  async finish(): Promise<void> {
    for (let tries = 0; tries < TRIES && !this.#isOver; tries++) {
      for (const content of this.#contents) {
        if (!this.#isOver) await this.#close(content);
      }
      if (this.#isOver) return;
      await this.askOffset();
      await this.#world.scheduler.sleep(this.#random.chance(0.5) ? LEASE_EXPIRED_MS : 500);
    }
  }

  async #close(content: string): Promise<void> {
    const digest = digestOf('sha256', Buffer.from(content));
    const label = `${this.#name} close #${this.#world.nextNumber()}`;
    const pusher = { repo: this.#repo, caller: callerOf(label) };
    const { outcome, begin, end } = await this.#request('close', ({ registry, machine }) =>
      registry.uploads.close(this.#id, pusher, digest, bodyOf('', machine, 0, false), undefined),
    );
    const isCertain = this.#contents.length === 1 && !this.#uncertain.some(({ at }) => at === content.length);
    if (outcome.kind === 'ok') {
      this.#observeLinked([digest], label, begin, end);
      this.#isOver = true;
    } else if (outcome.kind === 'unknown') {
      this.#closings.push(digest);
      // It may have been the wrong digest, which may have ended the upload.
      if (!isCertain) this.#mayBeEnded = true;
    } else if (outcome.error === 'digest-mismatch') {
      if (isCertain && !this.#mayBeLost) this.#world.history.violated(`${this.#name} has other bytes than ${content}`);
      // A store that cannot read bytes before they are committed then ends the upload.
      this.#mayBeEnded = true;
    } else if (outcome.error === 'upload-unknown') this.#lost();
    else this.#world.history.violated(`${this.#name}: closing was refused: ${outcome.error}`);
  }

  #observeLinked(digests: readonly Digest[], label: string, begin: number, end: number): void {
    const holds = (state: PastState) => digests.some((digest) => state.blobs.has(digest));
    this.#world.history.observations.push({ what: label, repo: this.#repo, kind: 'write', begin, end, label, holds });
  }

  #request<T>(what: string, work: (node: SimulatedNode, pusher: Pusher) => Promise<T>): Promise<TimedOutcome<T>> {
    const pusher = { repo: this.#repo, caller: callerOf(this.#name) };
    const answered = this.#world.request(`${this.#name} ${what} #${this.#world.nextNumber()}`, (node) =>
      work(node, pusher),
    );
    const begin = this.#world.scheduler.step;
    // Clients also time out, and do not know the outcome of their request.
    const patience = this.#random.pick([1, 2, 5, 30]) * 1_000;
    const gaveUp = this.#world.scheduler.sleep(patience).then((): TimedOutcome<T> => {
      return { outcome: { kind: 'unknown' }, begin, end: this.#world.scheduler.step };
    });
    return Promise.race([answered, gaveUp]);
  }
}

function bodyOf(text: string, machine: Machine, pause: number, breaks: boolean): UploadBody {
  const bytes = new Uint8Array(Buffer.from(text));
  const source = async function* (): AsyncIterable<Uint8Array> {
    for (let from = 0; from < bytes.length; from += 10) {
      await machine.sleep(pause);
      if (breaks && from > 10) throw new RegistryError('upload-interrupted', 'the connection broke off');
      yield bytes.slice(from, from + 10);
    }
    if (breaks) throw new RegistryError('upload-interrupted', 'the connection broke off');
  };
  return new UploadBody(source(), undefined);
}

/** A whole upload, however it ends. */
export async function uploadInPieces(world: World, repo: RepositoryName): Promise<void> {
  const { random } = world;
  const name = `upload #${world.nextNumber()} in ${repo}`;
  const caller = callerOf(name);
  const started = await world.request(`${name} begin`, ({ registry }) =>
    registry.uploads.start({ repo, caller }, 'sha256'),
  );
  if (started.outcome.kind !== 'ok') return;
  const upload = new Upload(world, repo, name, started.outcome.value.id, started.begin);
  for (let pieces = random.between(1, 6); pieces > 0 && !upload.isOver; pieces--) {
    const before = upload.offset;
    await upload.send();
    if (random.chance(0.3) && !upload.isOver) await upload.askOffset();
    // If it failed, the upload may have a holder that will never release it.
    const isStuck = upload.offset === before && random.chance(0.5);
    const pause = random.chance(0.4) ? random.between(1_000, 5_000) : random.between(0, 300);
    await world.scheduler.sleep(isStuck ? LEASE_EXPIRED_MS : pause);
  }
  if (!upload.isOver) await upload.finish();
}
