// What one client was answered, every later request sees, whichever thread of the process it reaches.
// THREADS_OPERATIONS=200000 runs the long form.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type Content, index, mediaTypes } from '../support/oci.ts';
import { cleanUp, startServer } from '../support/server.ts';
import { expectSent, send } from './connections.ts';

const OPERATIONS = Number(process.env.THREADS_OPERATIONS ?? 5_000);
const CLIENTS = 16;
/** One that all clients write to, and one for each of four. */
const SHARED = 'threads/shared';

setDefaultTimeout(120_000 + OPERATIONS * 20);
afterAll(cleanUp);

/** An index without content, so that it needs no blobs. */
const numbered = (name: string): Content => index([], { annotations: { name } });

/** Of one client: its own tag moves and vanishes, and all clients move a common one. */
class Client {
  readonly stale: string[] = [];
  operations = 0;
  readonly #url: string;
  readonly #name: string;
  readonly #repo: string;
  readonly #versions: SharedVersions;

  constructor(url: string, number: number, versions: SharedVersions) {
    this.#url = url;
    this.#name = `client-${number}`;
    this.#repo = number % 2 === 0 ? SHARED : `threads/own-${number % 8}`;
    this.#versions = versions;
  }

  async run(operations: number): Promise<void> {
    while (this.operations < operations) {
      await this.#moveOwn();
      await this.#moveShared();
      await this.#readShared();
      await this.#deleteOwn();
    }
  }

  async #moveOwn(): Promise<void> {
    const content = numbered(`${this.#name} ${this.operations}`);
    await this.#put(this.#repo, this.#name, content);
    for (const reference of [this.#name, content.descriptor.digest]) {
      const { status, headers } = await this.#read(this.#repo, reference);
      const found = headers.get('docker-content-digest');
      if (status !== 200 || found !== content.descriptor.digest)
        this.stale.push(`${this.#repo}:${reference} is ${status} ${found}, not ${content.descriptor.digest}`);
    }
  }

  async #deleteOwn(): Promise<void> {
    await expectSent(202, this.#at(this.#repo, this.#name), { method: 'DELETE' });
    this.operations++;
    const { status } = await this.#read(this.#repo, this.#name);
    if (status !== 404) this.stale.push(`${this.#repo}:${this.#name} is ${status} after its deletion`);
    const { bytes } = await expectSent(200, `${this.#url}/v2/${this.#repo}/tags/list`);
    this.operations++;
    const { tags }: { readonly tags: readonly string[] } = JSON.parse(new TextDecoder().decode(bytes));
    if (tags.includes(this.#name)) this.stale.push(`${this.#repo} still lists ${this.#name}`);
  }

  async #moveShared(): Promise<void> {
    const version = this.#versions.next();
    await this.#put(SHARED, `version-${version}`, numbered(`version ${version}`));
    this.#versions.known(version);
  }

  /** All versions that were acknowledged, or seen by any client, before the request was sent. */
  async #readShared(): Promise<void> {
    const floor = this.#versions.floor();
    const { bytes } = await expectSent(200, `${this.#url}/v2/${SHARED}/tags/list?n=100000`);
    this.operations++;
    const { tags }: { readonly tags: readonly string[] } = JSON.parse(new TextDecoder().decode(bytes));
    const listed = new Set(tags);
    for (const version of floor) {
      const isMissing = !listed.has(`version-${version}`) && !this.#versions.isRetired(version);
      if (isMissing) this.stale.push(`version ${version} is missing`);
    }
    for (const tag of listed) {
      if (tag.startsWith('version-')) this.#versions.known(Number(tag.slice('version-'.length)));
    }
    // So that the list stays short.
    const old = this.#versions.retire();
    if (old === undefined) return;
    await expectSent(202, this.#at(SHARED, `version-${old}`), { method: 'DELETE' });
    this.operations++;
  }

  async #put(repo: string, tag: string, { bytes }: Content): Promise<void> {
    const headers = { 'content-type': mediaTypes.index };
    await expectSent(201, this.#at(repo, tag), { method: 'PUT', headers, body: new Uint8Array(bytes) });
    this.operations++;
  }

  async #read(repo: string, reference: string): ReturnType<typeof send> {
    this.operations++;
    return await send(this.#at(repo, reference), { method: 'HEAD', headers: { accept: mediaTypes.index } });
  }

  #at(repo: string, reference: string): string {
    return `${this.#url}/v2/${repo}/manifests/${reference}`;
  }
}

/** The versions that must be visible: those acknowledged to a client or seen by one, and not deleted since. */
class SharedVersions {
  readonly #visible = new Set<number>();
  readonly #retired = new Set<number>();
  #last = 0;

  next(): number {
    return ++this.#last;
  }

  /** It was acknowledged, or a client has seen it. */
  known(version: number): void {
    if (!this.#retired.has(version)) this.#visible.add(version);
  }

  isRetired(version: number): boolean {
    return this.#retired.has(version);
  }

  floor(): readonly number[] {
    return [...this.#visible];
  }

  /** One to be deleted, once there are many. Nobody expects it from here on. */
  retire(): number | undefined {
    if (this.#visible.size < 60) return undefined;
    const [oldest] = this.#visible;
    if (oldest === undefined) return undefined;
    this.#visible.delete(oldest);
    this.#retired.add(oldest);
    return oldest;
  }
}

test(`${OPERATIONS} operations of ${CLIENTS} clients, each on a new connection: none is answered with an older state`, async () => {
  const server = await startServer({ THREADS: '4' });
  const versions = new SharedVersions();
  const clients = Array.from({ length: CLIENTS }, (_, number) => new Client(server.url, number, versions));
  await Promise.all(clients.map((client) => client.run(OPERATIONS / CLIENTS)));
  expect(clients.flatMap(({ stale }) => stale)).toEqual([]);
  const operations = clients.reduce((sum, client) => sum + client.operations, 0);
  expect(operations).toBeGreaterThanOrEqual(OPERATIONS);
  expect(await server.stop()).toBe(0);
});
