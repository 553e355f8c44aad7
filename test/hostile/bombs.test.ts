// While one client pushes the most expensive valid manifests without a pause, the pulls of another stay fast. Many clients that
// send all of a manifest but its end neither exhaust memory nor block others.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expectStatus, image, index, mediaTypes, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, projectRoot, type Server, startServer } from '../support/server.ts';
import { worstManifests } from './worst.ts';

const REPO = 'bombs/target';
const PULLS = 400;
const MAX_P99_OVER_IDLE_MS = 50;
/** Other load on the machine may slow down a round. */
const ROUNDS = 8;

const STALLED_CLIENTS = 200;
const STALLED_BYTES = 4 * 1024 * 1024 - 1;
/** MANIFEST_BUFFER is 64 MiB; sockets, and memory that was freed but not yet returned, take more. The clients send 840 MB. */
const MAX_GROWTH_MIB = 300;
/** A push that waits for a stalled one for good is refused after ten seconds. */
const MAX_PUSH_MS = 8_000;

let server: Server;

beforeAll(async () => {
  server = await startServer();
  await pushImage(server.url, REPO, image(), 'kept');
});
afterAll(cleanUp);

/** Milliseconds within which 99 of 100 pulls were answered. */
async function p99(): Promise<number> {
  const times: number[] = [];
  for (let pull = 0; pull < PULLS; pull++) {
    const begun = performance.now();
    await expectStatus(200, `${server.url}/v2/${REPO}/manifests/kept`);
    times.push(performance.now() - begun);
    await Bun.sleep(2);
  }
  return times.sort((one, other) => one - other)[Math.floor(PULLS * 0.99)] ?? Number.POSITIVE_INFINITY;
}

test.each(worstManifests())('%s: the most expensive valid manifest', async (_, body) => {
  const headers = { 'content-type': mediaTypes.index };
  await expectStatus(201, `${server.url}/v2/${REPO}/manifests/worst`, { method: 'PUT', headers, body });
});

test('p99 of pulls rises by at most 50 ms beside a client that pushes only such manifests', async () => {
  const over: number[] = [];
  for (let round = 0; round < ROUNDS && Math.min(...over) > MAX_P99_OVER_IDLE_MS; round++) {
    const idle = await p99();
    const pusher = Bun.spawn([process.execPath, 'test/hostile/push-worst.ts', `${server.url}/v2/${REPO}`], {
      ...{ cwd: projectRoot, stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
    });
    try {
      const reader = pusher.stdout.getReader();
      // Starts with its first push.
      await reader.read();
      reader.releaseLock();
      over.push((await p99()) - idle);
      expect(pusher.exitCode).toBeNull();
    } finally {
      pusher.kill('SIGKILL');
      await pusher.exited;
    }
  }
  console.info(`p99 of ${PULLS} pulls beside the worst manifests, over idle: ${over.map(Math.round).join(', ')} ms`);
  expect(Math.min(...over)).toBeLessThanOrEqual(MAX_P99_OVER_IDLE_MS);
});

function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Sends everything but the last byte, and waits. */
function stall(body: Uint8Array): Socket {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `PUT /v2/${REPO}/manifests/stalled HTTP/1.1\r\nHost: a\r\nContent-Type: ${mediaTypes.index}\r\nContent-Length: ${STALLED_BYTES + 1}\r\n\r\n`,
  );
  socket.write(body);
  return socket;
}

test('200 clients that send all but the last byte of a manifest neither exhaust memory nor block others', async () => {
  const body = new Uint8Array(STALLED_BYTES).fill(0x20);
  const before = residentMiB(server.process.pid);
  const answers: string[] = [];
  const sockets = Array.from({ length: STALLED_CLIENTS }, () => stall(body));
  for (const socket of sockets) socket.on('data', (data) => answers.push(data.toString('latin1', 0, 12)));
  let most = before;
  const times: number[] = [];
  for (let push = 0; push < 40; push++) {
    const begun = performance.now();
    await pushManifest(server.url, REPO, index([], { annotations: { push: String(push) } }), `small-${push}`);
    times.push(performance.now() - begun);
    most = Math.max(most, residentMiB(server.process.pid));
    await Bun.sleep(100);
  }
  for (const socket of sockets) socket.destroy();
  const slowest = Math.max(...times);
  console.info(
    `200 stalled manifests: ${Math.round(most - before)} MiB, slowest small push ${Math.round(slowest)} ms, ${answers.length} answered`,
  );
  expect(answers.every((answer) => answer === 'HTTP/1.1 429')).toBeTrue();
  // Some at a time get buffer space, and lose it again.
  expect(answers.length).toBeGreaterThan(20);
  expect(most - before).toBeLessThan(MAX_GROWTH_MIB);
  expect(slowest).toBeLessThan(MAX_PUSH_MS);
});
