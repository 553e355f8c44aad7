// A server with four threads under a mixed load, collecting its garbage meanwhile: its descriptors, threads and memory do not grow.
// SOAK_MINUTES=20 runs the long form.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { marina } from '../cli/marina.ts';
import { Random } from '../support/drill/random.ts';
import { eventually } from '../support/eventually.ts';
import { abandonUpload, type Image, image, pushImage, pushWithinGrace, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer } from '../support/server.ts';
import { send } from './connections.ts';

const MINUTES = Number(process.env.SOAK_MINUTES ?? 0);
/** The short form shows no growth of memory: it is shorter than what a garbage-collected heap needs to settle. */
const SECONDS = MINUTES > 0 ? MINUTES * 60 : 12;
/** Garbage is collected many times in a run. */
const GRACE_SECONDS = Math.max(3, Math.ceil(SECONDS / 40));
const CLIENTS = 8;
/** Of a client. The long form has a steady rate that a busy machine keeps up with: a heap is larger when more is allocated. */
const OPERATION_MS = MINUTES > 0 ? 80 : 0;
const REPOSITORIES = 16;
const TAGS = 20;
const SAMPLE_MS = 1_000;
/** Between the middle and the last third of the run. The constant is what a heap of any size varies by. */
const MAX_GROWTH = 1.1;
const ROOM_MIB = 32;
/** Of descriptors and threads: connections in use, and threads of the runtime's pools. */
const MAX_VARIATION = 16;
const IDLE_WITHIN_MS = 180_000;

setDefaultTimeout((SECONDS + 300) * 1_000);
afterAll(cleanUp);

interface Sample {
  readonly descriptors: number;
  readonly threads: number;
  readonly residentMiB: number;
}

function sampleOf(pid: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, resident] = /^VmRSS:\s*(\d+) kB$/m.exec(status) ?? [];
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    residentMiB: Number(resident) / 1024,
  };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

test('descriptors, threads and memory do not grow under a mixed load', async () => {
  const server = await startServer({
    // The cache is full before the middle of the run.
    ...{ THREADS: '4', LOG_LEVEL: 'warn', CONTENT_CACHE: '4MiB' },
    ...{ GC_GRACE: `${GRACE_SECONDS}s`, UPLOAD_EXPIRY: `${2 * GRACE_SECONDS}s`, GC_ENABLED: 'false' },
  });
  const { pid } = server.process;
  const idle = sampleOf(pid);
  const samples: Sample[] = [];
  const end = performance.now() + SECONDS * 1_000;
  const isOver = (): boolean => performance.now() > end;
  let operations = 0;

  const client = async (number: number): Promise<void> => {
    const random = new Random(`soak ${number}`);
    let last: { readonly repository: string; readonly image: Image } | undefined;
    const removeLast = async (): Promise<void> => {
      if (last === undefined) return;
      const manifest = `${server.url}/v2/${last.repository}/manifests/${last.image.descriptor.digest}`;
      expect((await send(manifest, { method: 'DELETE' })).status).toBe(202);
      last = undefined;
    };
    const begun = performance.now();
    for (let done = 0; !isOver(); done++) {
      await Bun.sleep(Math.max(0, begun + done * OPERATION_MS - performance.now()));
      operations++;
      const repository = `soak/r${random.between(0, REPOSITORIES - 1)}`;
      const tag = `t${random.between(0, TAGS - 1)}`;
      switch (random.between(0, 5)) {
        case 0: {
          // So that the repositories, and with them the views, stay small however long the test runs.
          await removeLast();
          const pushed = image();
          await pushWithinGrace(GRACE_SECONDS * 1_000, () => pushImage(server.url, repository, pushed, tag));
          last = { repository, image: pushed };
          break;
        }
        case 1:
          await removeLast();
          break;
        case 2:
          await abandonUpload(server.url, repository, 10_000);
          break;
        case 3:
          // The client leaves in the middle of its upload.
          await fetch(`${server.url}/v2/${repository}/blobs/uploads/?digest=${randomBlob(10).descriptor.digest}`, {
            ...{ method: 'POST', body: randomBlob(200_000).bytes, signal: AbortSignal.timeout(random.between(1, 5)) },
          }).then(
            (response) => response.bytes(),
            (error: unknown) => expect(String(error)).toMatch(/Timeout|abort/i),
          );
          break;
        case 4: {
          const { status } = await send(`${server.url}/v2/${repository}/manifests/${tag}`);
          expect([200, 404]).toContain(status);
          break;
        }
        default: {
          const { status } = await send(`${server.url}/v2/${repository}/tags/list`);
          expect([200, 404]).toContain(status);
        }
      }
    }
  };
  const collector = async (): Promise<void> => {
    while (!isOver()) {
      expect((await marina(server.dataPath, 'gc', '--wait')).code).toBe(0);
      await Bun.sleep(2_000);
    }
  };
  const sampler = async (): Promise<void> => {
    while (!isOver()) {
      samples.push(sampleOf(pid));
      await Bun.sleep(SAMPLE_MS);
    }
  };
  await Promise.all([...Array.from({ length: CLIENTS }, (_, number) => client(number)), collector(), sampler()]);

  const third = Math.floor(samples.length / 3);
  const parts = { middle: samples.slice(third, 2 * third), last: samples.slice(-third) };
  const of = (part: readonly Sample[], what: keyof Sample): number => median(part.map((sample) => sample[what]));
  console.log(
    `soak: ${operations} operations in ${SECONDS} s; idle, in the middle third, in the last third: ` +
      (['descriptors', 'threads', 'residentMiB'] as const)
        .map(
          (what) => `${what} ${[idle[what], of(parts.middle, what), of(parts.last, what)].map(Math.round).join(', ')}`,
        )
        .join('; '),
  );
  expect(operations).toBeGreaterThan(SECONDS * 10);
  for (const what of ['descriptors', 'threads'] as const)
    expect(of(parts.last, what), what).toBeLessThanOrEqual(of(parts.middle, what) + MAX_VARIATION);
  if (MINUTES === 0) return;
  const most = of(parts.middle, 'residentMiB') * MAX_GROWTH + ROOM_MIB;
  expect(of(parts.last, 'residentMiB')).toBeLessThanOrEqual(most);
  // The clients keep idle connections for a while. Pools of threads that some work needed first stay, with descriptors of their own.
  await eventually(() => {
    const now = sampleOf(pid);
    expect(now.descriptors).toBeLessThanOrEqual(idle.descriptors + MAX_VARIATION);
    expect(now.threads).toBeLessThanOrEqual(idle.threads + MAX_VARIATION);
  }, IDLE_WITHIN_MS);
});
