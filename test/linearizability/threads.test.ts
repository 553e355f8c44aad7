// Many clients change few tags of a server with four threads, each request on a new connection. Porcupine judges what they were told.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { THREAD_BUGS, type ThreadBugName, withInjectedBug } from '../drill/injected-bugs.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { Random } from '../support/drill/random.ts';
import {
  type Expected,
  openJudge,
  type Recorded,
  type TagOperation,
  type Verdict,
} from '../support/linearizability.ts';
import { type Content, index, mediaTypes } from '../support/oci.ts';
import { cleanUp, startServer } from '../support/server.ts';
import { type Reply, send } from '../threads/connections.ts';

const OPERATIONS = Number(process.env.THREADS_OPERATIONS ?? 6_000);
const CLIENTS = 12;
const REPOSITORIES = ['linear/one', 'linear/two'];
const TAGS = ['a', 'b', 'c'];
const WITHIN_MS = 300_000 + 50 * OPERATIONS;

let judge: (history: readonly Recorded[]) => Promise<Verdict>;
beforeAll(async () => {
  judge = await openJudge();
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

/** The monotonic clock of the system, in nanoseconds. */
function now(): number {
  return Number(process.hrtime.bigint());
}

/** Indexes without content, so that they need no blobs. */
const contents: readonly Content[] = Array.from({ length: 8 }, (_, number) =>
  index([], { annotations: { number: String(number) } }),
);

/** One client, which remembers what it was told last of each tag, to compare with it. */
class Client {
  readonly history: Recorded[] = [];
  readonly #url: string;
  readonly #number: number;
  readonly #random: Random;
  readonly #last = new Map<string, string>();

  constructor(url: string, number: number, random: Random) {
    this.#url = url;
    this.#number = number;
    this.#random = random;
  }

  async run(operations: number): Promise<void> {
    while (this.history.length < operations) {
      const [repository, tag] = [this.#random.pick(REPOSITORIES), this.#random.pick(TAGS)];
      const target = `${this.#url}/v2/${repository}/manifests/${tag}`;
      const key = `${repository}:${tag}`;
      const call = now();
      const operation = await this.#operate(target, key);
      this.history.push({ key, client: this.#number, call, return: now(), operation });
      if (operation.kind === 'read' && operation.outcome !== undefined) this.#last.set(key, operation.outcome);
    }
  }

  async #operate(target: string, key: string): Promise<TagOperation> {
    if (this.#random.chance(0.5)) {
      const { status, headers: told } = await send(target, { method: 'HEAD', headers: { accept: mediaTypes.index } });
      if (status !== 200 && status !== 404) throw new Error(`HEAD ${target}: ${status}`);
      return { kind: 'read', outcome: status === 200 ? (told.get('docker-content-digest') ?? '') : undefined };
    }
    const content = this.#random.chance(0.75) ? this.#random.pick(contents) : undefined;
    const expected = this.#expected(key, content === undefined);
    const headers = conditionOf(expected);
    if (content === undefined) {
      const reply = await send(target, { method: 'DELETE', headers });
      // A tag that does not exist is 404, whatever was expected of it.
      return reply.status === 404 ? { kind: 'read', outcome: undefined } : swapped(expected, undefined, 202, reply);
    }
    const { bytes, descriptor } = content;
    const body = new Uint8Array(bytes);
    const reply = await send(target, {
      method: 'PUT',
      headers: { ...headers, 'content-type': mediaTypes.index },
      body,
    });
    return swapped(expected, descriptor.digest, 201, reply);
  }

  /** A deletion expects that the tag exists. */
  #expected(key: string, deletes: boolean): Expected {
    const last = this.#last.get(key);
    if (this.#random.chance(0.5)) return deletes ? 'present' : 'anything';
    if (!deletes && this.#random.chance(0.4)) return 'absent';
    return last === undefined ? 'present' : [last];
  }
}

function conditionOf(expected: Expected): Record<string, string> {
  switch (expected) {
    case 'anything':
      return {};
    case 'present':
      return { 'if-match': '*' };
    case 'absent':
      return { 'if-none-match': '*' };
    default:
      return { 'if-match': expected.map((digest) => `"${digest}"`).join(', ') };
  }
}

function swapped(expected: Expected, value: string | undefined, done: number, { status, bytes }: Reply): TagOperation {
  if (status !== done && status !== 412) throw new Error(`${status}: ${new TextDecoder().decode(bytes)}`);
  return { kind: 'swap', expected, value, outcome: status === done ? 'done' : 'refused' };
}

/** What clients of a server with these settings were told, until there are so many operations. */
async function historyOf(settings: Readonly<Record<string, string>>, seed: string): Promise<Recorded[]> {
  const server = await startServer({ THREADS: '4', ...settings });
  const clients = Array.from(
    { length: CLIENTS },
    (_, number) => new Client(server.url, number, new Random(`${seed} ${number}`)),
  );
  await Promise.all(clients.map((client) => client.run(OPERATIONS / CLIENTS)));
  await server.stop();
  return clients.flatMap((client) => client.history);
}

test(
  'tags of a server with several threads are linearizable',
  async () => {
    const seed = process.env.THREADS_SEED ?? String(Date.now());
    console.log(`THREADS_SEED=${seed} repeats the choices`);
    const history = await historyOf({}, seed);
    const outcomes = history.map(({ operation }) => `${operation.kind} ${operation.outcome}`);
    const { illegal, undecided, operations } = await judge(history);
    expect({ illegal, undecided }).toEqual({ illegal: [], undecided: [] });
    expect(operations).toBeGreaterThanOrEqual(OPERATIONS);
    // Comparisons that all fail, or none, would prove little.
    for (const outcome of ['swap done', 'swap refused']) {
      expect(outcomes.filter((each) => each === outcome).length).toBeGreaterThan(OPERATIONS / 20);
    }
    console.log(`${operations} operations`);
  },
  WITHIN_MS,
);

for (const name of Object.keys(THREAD_BUGS) as ThreadBugName[]) {
  test(
    `the judge detects a bug in a server: ${name}`,
    async () => {
      const { illegal } = await judge(await historyOf(withInjectedBug(name), name));
      expect(illegal).not.toEqual([]);
    },
    WITHIN_MS,
  );
}
