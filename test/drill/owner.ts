import type { Random } from '../support/drill/random.ts';
import { type Content, content, digestOf, type Image, image, mediaTypes } from '../support/oci.ts';

/** Shared by all owners. */
export interface Registry {
  readonly url: string;
  readonly repositories: readonly string[];
  /** Layers that the images of all owners share: they are linked and unlinked in every repository all the time. */
  readonly layers: readonly Content[];
  /** For how many milliseconds a blob that a client found or pushed is protected until its manifest arrives. */
  readonly holds: number;
  /** Milliseconds after which a collection may free what was deleted. */
  readonly grace: number;
  /** Restores a deleted tag like an operator; absent if the drill does not restore. */
  readonly restore?: (repository: string, tag: string) => Promise<'restored' | 'freed' | 'unanswered'>;
  /** For how many milliseconds refused and unanswered requests are retried. */
  readonly patience: number;
  readonly tally: Tally;
}

/** Counts of operations, and violations. */
export class Tally {
  pushes = 0;
  pushesAgain = 0;
  deletes = 0;
  restores = 0;
  freed = 0;
  pulls = 0;
  mounts = 0;
  known = 0;
  uploads = 0;
  unanswered = 0;
  faults = 0;
  /** Answers that break a promise. */
  readonly violations: string[] = [];
  /** What did not succeed within `patience`. A busy machine is enough for it, so it does not show which bug a server has. */
  readonly late: string[] = [];
}

interface Owned {
  readonly repository: string;
  readonly tag: string;
  readonly image: Image;
  /** `absent`: its deletion was acknowledged. Its owner retries until the state is certain. */
  state: 'present' | 'absent';
  /** When the deletion was acknowledged. */
  deletedAt: number;
}

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** The maximum number of images of an owner, present and in all. */
const MAX_PRESENT = 6;
const MAX_KNOWN = 14;
const HANGS_AFTER_MS = 60_000;
const PAUSE_MS = 60;
/** The time between the grace and the collection. */
const RIPE_MS = 500;

/**
 * Pushes, deletes, repushes and pulls its own images, which are made of shared layers. So it always knows whether an image must exist,
 * while all other owners link, unlink, mount and collect the same blobs.
 */
export class Owner {
  readonly #registry: Registry;
  readonly #random: Random;
  readonly #name: string;
  readonly #owned: Owned[] = [];
  #made = 0;

  constructor(registry: Registry, random: Random, name: string) {
    this.#registry = registry;
    this.#random = random;
    this.#name = name;
  }

  async work(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#step();
      await Bun.sleep(this.#random.between(0, PAUSE_MS));
    }
  }

  /** Checks that everything acknowledged exists, byte for byte, and nothing else. */
  async check(when: string): Promise<void> {
    for (const owned of this.#owned) await this.#pull(owned, when);
  }

  async #step(): Promise<void> {
    const present = this.#owned.filter(({ state }) => state === 'present');
    const absent = this.#owned.filter(({ state }) => state === 'absent');
    const drawn = this.#random.between(1, 100);
    const one = this.#random.pick(present);
    if (one !== undefined && drawn <= 25) await this.#pull(one, 'in progress');
    else if (one !== undefined && (drawn <= 45 || present.length >= MAX_PRESENT)) await this.#delete(one);
    else if (absent.length > 0 && (drawn <= 70 || this.#owned.length >= MAX_KNOWN)) await this.#bringBack(absent);
    else await this.#pushNew();
  }

  async #pushNew(): Promise<void> {
    const { repositories, layers } = this.#registry;
    const shared = this.#random.shuffled(layers).slice(0, this.#random.between(1, 3));
    const own = content(this.#random.bytes(this.#random.between(2_000, 30_000)), mediaTypes.layer);
    const config = content(this.#random.bytes(200), mediaTypes.config);
    const owned: Owned = {
      repository: this.#random.pick(repositories) ?? '',
      tag: `${this.#name}-${this.#made++}`,
      image: image({ config, layers: [...shared, own] }),
      state: 'absent',
      deletedAt: 0,
    };
    this.#registry.tally.pushes++;
    this.#owned.push(owned);
    await this.#push(owned);
  }

  async #bringBack(absent: readonly Owned[]): Promise<void> {
    const { grace } = this.#registry;
    // A collection is just freeing it.
    const ripeSince = performance.now() - grace;
    const ripe = absent.filter(({ deletedAt }) => deletedAt < ripeSince && deletedAt > ripeSince - RIPE_MS);
    const old = this.#random.pick(ripe);
    if (old !== undefined && this.#random.chance(0.5) && (await this.#restore(old))) return;
    const owned = this.#random.pick(absent.filter((each) => each !== old)) ?? old;
    if (owned === undefined) return;
    this.#registry.tally.pushesAgain++;
    await this.#push(owned);
  }

  /** @returns false if the drill does not restore */
  async #restore(owned: Owned): Promise<boolean> {
    const { restore, tally } = this.#registry;
    if (restore === undefined) return false;
    const outcome = await restore(owned.repository, owned.tag);
    if (outcome === 'restored') {
      tally.restores++;
      owned.state = 'present';
      await this.#pull(owned, 'restored');
      return true;
    }
    if (outcome === 'freed') tally.freed++;
    // It may have been executed, although the response was lost.
    else await this.#push(owned);
    return true;
  }

  async #push(owned: Owned): Promise<void> {
    const deadline = performance.now() + this.#registry.patience;
    while (performance.now() < deadline) {
      const begin = performance.now();
      if ((await this.#pushBlobs(owned)) && (await this.#putManifest(owned, begin))) {
        owned.state = 'present';
        return;
      }
      await Bun.sleep(PAUSE_MS);
    }
    this.#giveUp(owned, `could not be pushed within ${this.#registry.patience} ms`);
  }

  async #pushBlobs({ repository, image: { blobs } }: Owned): Promise<boolean> {
    for (const blob of blobs) if (!(await this.#pushBlob(repository, blob))) return false;
    return true;
  }

  /** Like a client: checks for the blob, then tries to mount it, then uploads it. */
  async #pushBlob(repository: string, { bytes, descriptor: { digest } }: Content): Promise<boolean> {
    const { tally, repositories } = this.#registry;
    const uploads = `/v2/${repository}/blobs/uploads/`;
    const head = await this.#send('HEAD', `/v2/${repository}/blobs/${digest}`);
    if (head?.status === 200) tally.known++;
    if (head?.status !== 404) return head?.status === 200;
    let location: string | null = null;
    const way = this.#random.between(1, 4);
    if (way <= 2) {
      const from = this.#random.chance(0.7) ? `&from=${this.#random.pick(repositories)}` : '';
      const mount = await this.#send('POST', `${uploads}?mount=${digest}${from}`);
      if (mount?.status === 201) tally.mounts++;
      if (mount?.status !== 202) return mount?.status === 201;
      location = mount.headers.get('location');
    } else if (way === 3) {
      const whole = await this.#send('POST', `${uploads}?digest=${digest}`, bytes);
      if (whole?.status === 201) tally.uploads++;
      return whole?.status === 201;
    }
    location ??= (await this.#send('POST', uploads))?.headers.get('location') ?? null;
    if (location === null) return false;
    const path = new URL(location, this.#registry.url);
    const cut = this.#random.chance(0.5) ? this.#random.between(1, bytes.length - 1) : 0;
    if (cut > 0 && (await this.#send('PATCH', path.pathname + path.search, bytes.subarray(0, cut)))?.status !== 202) {
      return false;
    }
    path.searchParams.set('digest', digest);
    const put = await this.#send('PUT', path.pathname + path.search, bytes.subarray(cut));
    if (put?.status === 201) tally.uploads++;
    return put?.status === 201;
  }

  /** @param begin when its first blob was checked for */
  async #putManifest({ repository, tag, image: pushed }: Owned, begin: number): Promise<boolean> {
    const { mediaType } = pushed.descriptor;
    const reply = await this.#send('PUT', `/v2/${repository}/manifests/${tag}`, pushed.bytes, mediaType);
    // The server has decided by now, which may be long after the request was sent.
    const took = performance.now() - begin;
    if (reply === undefined || reply.status === 201) return reply !== undefined;
    const text = new TextDecoder().decode(reply.bytes);
    // A push that takes longer than its blobs are protected may have to start again.
    if (took < this.#registry.holds) this.#violate(`PUT ${tag}: ${reply.status} ${text.slice(0, 300)}`);
    return false;
  }

  async #delete(owned: Owned): Promise<void> {
    const { repository, image: pushed } = owned;
    const deadline = performance.now() + this.#registry.patience;
    for (let tries = 1; performance.now() < deadline; tries++) {
      const reply = await this.#send('DELETE', `/v2/${repository}/manifests/${pushed.descriptor.digest}`);
      // An earlier attempt may have been executed, although its response was lost.
      if (reply?.status === 202 || (reply?.status === 404 && tries > 1)) {
        owned.state = 'absent';
        owned.deletedAt = performance.now();
        this.#registry.tally.deletes++;
        return;
      }
      if (reply !== undefined) return this.#violate(`DELETE ${owned.tag}: ${reply.status}`);
      await Bun.sleep(PAUSE_MS);
    }
    this.#giveUp(owned, `could not be deleted within ${this.#registry.patience} ms`);
  }

  /** By tag, with all its blobs. */
  async #pull({ repository, tag, image: pushed, state }: Owned, when: string): Promise<void> {
    this.#registry.tally.pulls++;
    const reply = await this.#get(`/v2/${repository}/manifests/${tag}`);
    if (reply === undefined) return;
    const expected = state === 'present' ? 200 : 404;
    if (reply.status !== expected) return this.#violate(`${when}: GET ${tag}, ${state}: ${reply.status}`);
    if (state === 'absent') return;
    if (digestOf(reply.bytes) !== pushed.descriptor.digest) this.#violate(`${when}: ${tag} has other bytes`);
    for (const { descriptor } of pushed.blobs) {
      const blob = await this.#get(`/v2/${repository}/blobs/${descriptor.digest}`);
      if (blob === undefined) return;
      const isRight = blob.status === 200 && digestOf(blob.bytes) === descriptor.digest;
      if (!isRight) {
        this.#violate(`${when}: ${descriptor.digest} of ${tag}: ${blob.status}, ${blob.bytes.length} bytes`);
      }
    }
  }

  /** Retries until there is a response. @returns undefined if it is late */
  async #get(path: string): Promise<Reply | undefined> {
    const deadline = performance.now() + this.#registry.patience;
    while (performance.now() < deadline) {
      const reply = await this.#send('GET', path);
      if (reply !== undefined) return reply;
      await Bun.sleep(PAUSE_MS);
    }
    this.#reportLate(`GET ${path} was not answered within ${this.#registry.patience} ms`);
    return undefined;
  }

  /** @returns undefined if the outcome is unknown: no response, or a 5xx */
  async #send(method: string, path: string, body?: Uint8Array, mediaType?: string): Promise<Reply | undefined> {
    const { tally, url } = this.#registry;
    try {
      const response = await fetch(url + path, {
        // Bun silently repeats a request when a keep-alive connection breaks.
        ...{ method, redirect: 'manual', keepalive: method === 'GET', signal: AbortSignal.timeout(HANGS_AFTER_MS) },
        headers: body === undefined ? {} : { 'content-type': mediaType ?? 'application/octet-stream' },
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      });
      const bytes = await response.bytes();
      const { status, headers } = response;
      if (status < 500) return { status, headers, bytes };
      if (status !== 502 && status !== 503) this.#violate(`${method} ${path}: ${status}`);
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') this.#reportLate(`${method} ${path} hangs`);
      // The drill expects connections that end without a response.
    }
    tally.unanswered++;
    return undefined;
  }

  #violate(what: string): void {
    this.#registry.tally.violations.push(`${this.#name}: ${what}`);
  }

  /** Its last request may have been executed or not, so nothing can be expected of it any more. */
  #giveUp(owned: Owned, what: string): void {
    this.#owned.splice(this.#owned.indexOf(owned), 1);
    this.#reportLate(`${owned.tag} ${what}`);
  }

  #reportLate(what: string): void {
    this.#registry.tally.late.push(`${this.#name}: ${what}`);
  }
}
