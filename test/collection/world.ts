// One store, clients on separate nodes, users that delete, time that passes, and collectors. The seed decides the order of their steps.
import { planRestore } from '../../src/cli/undo/plan.ts';
import { collect } from '../../src/collection/collect.ts';
import { openEpochs } from '../../src/collection/epoch.ts';
import type { RepositoryState } from '../../src/journal/fold.ts';
import { foldLog } from '../../src/journal/log.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { type ErrorKind, RegistryError } from '../../src/oci/errors.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../../src/oci/names.ts';
import { restore } from '../../src/registry/restoration.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { dataKey } from '../../src/storage/paths.ts';
import { ActorScheduler, driverOf } from '../support/actor-scheduler.ts';
import { collectionPorts, never } from '../support/collection.ts';
import { TestClock } from '../support/deterministic.ts';
import { Random } from '../support/drill/random.ts';
import { ACTOR, CALLER, type OpenRegistry, openRegistry, text } from '../support/registry.ts';

const GRACE = 4_000;
const EXPIRY = 3_000;
/** Clocks differ by at most twice this. */
const SKEW = GRACE / 16;
const REPOSITORIES = ['a', 'b', 'c', 'new'].map((name) => name as RepositoryName);
const BLOBS = ['the first blob', 'the second blob'].map(text);
const TYPE = 'application/vnd.oci.image.manifest.v1+json';

const UNDONE = undone('b' as RepositoryName);

function undone(repo: RepositoryName) {
  const layer = text('only in the undone image');
  const blob = digestOf('sha256', layer);
  const bytes = manifestOf(blob, layer.length, 'undone');
  return { ...{ repo, layer, blob, bytes }, tag: 'undone' as Tag, manifest: digestOf('sha256', bytes) };
}

class SkewedClock extends TestClock {
  override readonly now: () => number;
  override readonly sleep: (milliseconds: number) => Promise<void>;

  constructor(base: TestClock, offset: number) {
    super();
    this.now = () => base.now() + offset;
    this.sleep = base.sleep;
  }
}

interface Acknowledged {
  readonly repo: RepositoryName;
  readonly manifest: Digest;
  readonly blob: Digest;
}

/** Runs a seed. @returns the faults that it found */
export async function playSeed(seed: string): Promise<readonly string[]> {
  const world = new World(seed);
  await world.play();
  return world.faults.length === 0 ? [] : [...world.faults, ...world.scheduler.steps];
}

class World {
  readonly faults: string[] = [];
  readonly scheduler: ActorScheduler;
  readonly #random: Random;
  readonly #clock = new TestClock();
  readonly #shared = new MemoryDriver();
  readonly #acknowledged: Acknowledged[] = [];
  #nodes = 0;

  constructor(seed: string) {
    this.#random = new Random(seed);
    this.scheduler = new ActorScheduler(this.#random.child('turns'));
  }

  async play(): Promise<void> {
    await this.#fill();
    const actors: Promise<unknown>[] = [];
    const begin = (name: string, work: (name: string) => Promise<unknown>): void => {
      actors.push(work(`${name}-${actors.length}`));
    };
    for (let one = this.#random.between(1, 3); one > 0; one--) begin('client', (name) => this.#client(name));
    for (let one = this.#random.between(0, 2); one > 0; one--) begin('user', (name) => this.#user(name));
    for (let one = this.#random.between(1, 2); one > 0; one--) begin('collector', (name) => this.#collector(name));
    if (this.#random.chance(0.7)) begin('operator', (name) => this.#operator(name));
    begin('time', (name) => this.#time(name));
    await this.scheduler.run(Promise.all(actors));
    await this.#checkLive('at the end');
    await this.#checkCollected();
  }

  /** Old blobs: linked, or unlinked long ago or a moment ago; referenced or not. */
  async #fill(): Promise<void> {
    const node = this.#node(this.#shared);
    for (const bytes of BLOBS) {
      for (const repo of ['a', 'b'] as RepositoryName[]) {
        if (this.#random.chance(0.4)) continue;
        const digest = await node.push(repo, bytes);
        this.#clock.advance(this.#random.between(0, GRACE));
        if (this.#random.chance(0.6)) await node.registry.blobs.delete(repo, digest, ACTOR);
      }
    }
    await node.settle();
    this.#clock.advance(this.#random.between(0, 2 * GRACE));
    await this.#deleteImage(node, this.#random);
    this.#clock.advance(this.#random.between(0, 2 * GRACE));
  }

  /** An image that only the operator uses: pushed if necessary, and deleted, mostly with its blob. */
  async #deleteImage({ registry, push }: OpenRegistry, random: Random): Promise<void> {
    await push(UNDONE.repo, UNDONE.layer);
    const put = { bytes: UNDONE.bytes, contentType: TYPE, digest: undefined, tags: [UNDONE.tag] };
    await registry.manifests.put(UNDONE.repo, put, ACTOR);
    await registry.manifests.delete(UNDONE.repo, UNDONE.manifest, ACTOR);
    if (random.chance(0.8)) await registry.blobs.delete(UNDONE.repo, UNDONE.blob, ACTOR);
  }

  /** Restores the deleted image by its tag or digest, and sometimes deletes it again. */
  async #operator(name: string): Promise<void> {
    const random = this.#random.child(name);
    const node = this.#node(driverOf(name, this.#shared, this.scheduler));
    const { repo, tag, manifest, blob } = UNDONE;
    for (let one = random.between(1, 3); one > 0; one--) {
      const thing = random.chance(0.5)
        ? ({ kind: 'tag', tag } as const)
        : ({ kind: 'digest', digest: manifest } as const);
      const plan = await planRestore(node.driver, repo, thing, undefined);
      if (plan.kind !== 'plan') {
        this.faults.push(`${name}: there is nothing to bring back (${plan.kind})`);
        return;
      }
      const said = await refusal(restore(repo, plan.restoration, 'operator', node));
      if (said !== 'none' && said !== 'manifest-unknown' && said !== 'unavailable') {
        this.faults.push(`${name}: it was not brought back because of ${said}`);
      }
      if (said !== 'none') continue;
      if (random.chance(0.6)) {
        this.#acknowledged.push({ repo, manifest, blob });
        return;
      }
      await refusal(node.registry.manifests.delete(repo, manifest, ACTOR));
      await refusal(node.registry.blobs.delete(repo, blob, ACTOR));
    }
  }

  #node(driver: OpenRegistry['driver']): OpenRegistry {
    const offset = this.#random.between(-SKEW, SKEW);
    const clock = new SkewedClock(this.#clock, offset);
    return openRegistry({ driver, clock, number: ++this.#nodes, grace: GRACE, probe: true });
  }

  /** Pushes an image like a client: checks for its blob, mounts or uploads it if it is missing, then puts the manifest. */
  async #client(name: string): Promise<void> {
    const random = this.#random.child(name);
    const node = this.#node(driverOf(name, this.#shared, this.scheduler));
    const repo = random.pick(REPOSITORIES) ?? expectOne();
    const bytes = random.pick(BLOBS) ?? expectOne();
    const blob = digestOf('sha256', bytes);
    const manifest = manifestOf(blob, bytes.length, name);
    for (let attempt = 0; attempt < 4; attempt++) {
      const begun = this.#clock.now();
      const brought = await refusal(this.#bring(node, repo, bytes, random));
      if (brought === 'unavailable' || brought === 'upload-unknown') continue;
      if (brought !== 'none') this.faults.push(`${name}: the blob was refused with ${brought}`);
      const put = await refusal(
        node.registry.manifests.put(repo, { bytes: manifest, contentType: TYPE, digest: undefined, tags: [] }, ACTOR),
      );
      await node.settle();
      if (put === 'none') {
        this.#acknowledged.push({ repo, manifest: digestOf('sha256', manifest), blob });
        return;
      }
      const seconds = this.#clock.now() - begun;
      // A user may have deleted the blob, or the client may have waited for too long.
      const isLate = repo === 'a' || seconds >= GRACE / 2 - 2 * SKEW;
      if (put === 'manifest-references-unknown' ? !isLate : put !== 'unavailable') {
        this.faults.push(`${name}: ${seconds} ms after its blob was there the manifest was refused with ${put}`);
      }
    }
  }

  async #bring(node: OpenRegistry, repo: RepositoryName, bytes: Uint8Array, random: Random): Promise<void> {
    const digest = digestOf('sha256', bytes);
    if (random.chance(0.6)) {
      const found = await refusal(Promise.try(() => node.registry.blobs.renew(repo, digest)));
      if (found === 'none') return;
    }
    if (random.chance(0.6)) {
      const from = random.chance(0.8) ? random.pick(REPOSITORIES) : undefined;
      if (await node.registry.linking.mount(repo, digest, from, CALLER)) return;
    }
    await node.push(repo, bytes);
  }

  /** Deletes blobs, including those that clients are pushing. */
  async #user(name: string): Promise<void> {
    const random = this.#random.child(name);
    const node = this.#node(driverOf(name, this.#shared, this.scheduler));
    for (let one = random.between(1, 2); one > 0; one--) {
      const digest = digestOf('sha256', random.pick(BLOBS) ?? expectOne());
      await refusal(node.registry.blobs.delete('a' as RepositoryName, digest, ACTOR));
    }
  }

  async #time(name: string): Promise<void> {
    const random = this.#random.child(name);
    for (let one = random.between(1, 4); one > 0; one--) {
      await this.scheduler.waitForTurn(name, 'time passes');
      this.#clock.advance(random.between(0, 2 * GRACE));
    }
  }

  async #collector(name: string): Promise<void> {
    const random = this.#random.child(name);
    const driver = driverOf(name, this.#shared, this.scheduler);
    const clock = new SkewedClock(this.#clock, random.between(-SKEW, SKEW));
    const ports = this.#ports({ driver, clock });
    const work = (async () => {
      for (let run = random.between(1, 3); run > 0; run--) await collect(ports, never, { thorough: true });
    })();
    await (random.chance(0.3) ? Promise.race([work, this.scheduler.killAfter(name, random.between(1, 60))]) : work);
  }

  #ports(opened: Pick<OpenRegistry, 'driver' | 'clock'>) {
    return collectionPorts(opened, ++this.#nodes, {
      grace: GRACE,
      uploadExpiry: EXPIRY,
      deleteBatch: 1,
      epochSize: 3,
    });
  }

  async #states(): Promise<Map<RepositoryName, RepositoryState>> {
    const states = new Map<RepositoryName, RepositoryState>();
    for (const repo of REPOSITORIES) states.set(repo, (await foldLog(this.#shared, repo)).state);
    return states;
  }

  /** Bytes of live links exist, and every acknowledged image survives. */
  async #checkLive(when: string): Promise<void> {
    const states = await this.#states();
    for (const [repo, state] of states) {
      const links = [...state.blobs, ...state.manifests];
      for (const [digest, { inc }] of links) await this.#checkBytes(`${when}: ${repo} links ${digest}`, digest, inc);
    }
    for (const { repo, manifest, blob } of this.#acknowledged) {
      const state = states.get(repo);
      if (state?.manifest(manifest) === undefined || state.blob(blob) === undefined) {
        this.faults.push(`${when}: ${repo} lost an image that was acknowledged`);
      }
    }
  }

  async #checkBytes(what: string, digest: Digest, inc: Incarnation): Promise<void> {
    const bytes = await this.#shared.read(dataKey(inc));
    if (bytes === undefined) this.faults.push(`${what}, whose bytes ${inc} are gone`);
    else if (digestOf('sha256', bytes) !== digest) this.faults.push(`${what}, whose bytes ${inc} are others`);
  }

  /** In the end all garbage is freed, including that of killed collectors, and nothing else. */
  async #checkCollected(): Promise<void> {
    const ports = this.#ports({ driver: this.#shared, clock: this.#clock });
    for (let run = 0; run < 3; run++) {
      this.#clock.advance(10 * GRACE);
      await collect(ports, never, { thorough: true });
      await this.#checkLive(`after ${run + 1} more collections`);
    }
    if ((await openEpochs(ports)).length > 0) this.faults.push('an epoch is still open');
    const linked = new Set<string>();
    for (const state of (await this.#states()).values()) {
      for (const { inc } of [...state.blobs.values(), ...state.manifests.values()]) linked.add(dataKey(inc));
    }
    for await (const { key } of this.#shared.list('data/')) if (!linked.has(key)) this.faults.push(`${key} was left`);
  }
}

function manifestOf(blob: Digest, size: number, client: string): Uint8Array<ArrayBuffer> {
  const config = { mediaType: 'application/octet-stream', digest: blob, size };
  return text(JSON.stringify({ schemaVersion: 2, mediaType: TYPE, config, layers: [], annotations: { client } }));
}

async function refusal(promise: Promise<unknown>): Promise<ErrorKind | 'none'> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof RegistryError) return error.kind;
    throw error;
  }
}

function expectOne(): never {
  throw new Error('there is nothing to pick from');
}
