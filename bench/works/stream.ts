// One large blob, pushed in one stream until it is acknowledged, and pulled by one and by eight concurrent clients.
import { linkSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startNginx, startPipe, startSink } from '../peers/limit.ts';
import type { Peer, Registry } from '../peers/peer.ts';
import { verifyServed } from '../registry.ts';
import { alternate, type Context, compare, mebibytesPerSecond, type Row, type Side, type Work } from '../work.ts';
import { EMBEDDED, each, withPeer } from './servers.ts';

export const GIBIBYTE = 2 ** 30;
const QUICK_BYTES = 2 ** 28;
const REPOSITORY = 'big/image';
const BAR = 1.3;
const NGINX_BAR = 0.9;
const PIPE_BAR = 0.9;
const BULKY = true;
/** In a bucket a large blob is several files, one per part. All except the last have at least this size. */
const MIN_PART = 2 ** 22;

function sizeOf(context: Context): [bytes: number, label: string] {
  return context.settings.quick ? [QUICK_BYTES, '256 MiB'] : [GIBIBYTE, '1 GiB'];
}

function filesOver(folder: string, bytes: number): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size >= bytes);
}

export function upload(name: string, form: 'put' | 'patch', words: string, bar = BAR, stage = EMBEDDED): Work {
  return {
    name: stage.prefix + name,
    about: `push of one big blob, ${words}${stage.suffix}`,
    cluster: stage.cluster,
    run: async (context): Promise<Row[]> =>
      stage.withPair(
        context,
        async (pair) => {
          const { place, loadgen, settings } = context;
          const [bytes, label] = sizeOf(context);
          const side = (sideName: Side['name'], peer: Peer): Side => ({
            name: sideName,
            pid: peer.child.pid,
            helpers: peer.helpers,
            run: async (round) => {
              const seed = `${name} ${round}`;
              const order = { mode: 'upload', repositories: [REPOSITORY], parallel: 1, bytes, form, seed } as const;
              const load = await loadgen.run(peer.address, order);
              // Every round pushes different bytes, so these are not needed again. They are deleted outside of the timed part.
              for (const path of filesOver(peer.data, stage.cluster ? MIN_PART : bytes)) {
                rmSync(path);
              }
              return mebibytesPerSecond(load);
            },
          });
          const sides = [side('marina', pair.marina), side('distribution', pair.distribution)];
          const between = async (): Promise<void> => void (await place.call(['sync']));
          const title = `push of ${label}, ${words}${stage.suffix}`;
          const bars = { work: stage.prefix + name, title, unit: 'MiB/s', bar };
          if (stage.cluster) return [compare(bars, await alternate(settings, sides, between))];
          const sink = await startSink(place, place.folder('sink'));
          return withPeer(sink, async () => {
            const raw = await alternate(settings, [...sides, side('limit', sink)], between);
            return [compare({ ...bars, limitName: 'no hashing' }, raw)];
          });
        },
        BULKY,
      ),
  };
}

/** Pushes one large blob to both registries and returns its path under /v2/. */
export async function pushBig(context: Context, registries: Registry[], bytes: number): Promise<string> {
  const order = {
    mode: 'upload',
    repositories: [REPOSITORY],
    parallel: 1,
    bytes,
    form: 'put',
    seed: 'pulled',
  } as const;
  let digest: string | undefined;
  for (const registry of registries) {
    digest = (await context.loadgen.run(registry.address, order)).digest;
  }
  return `/v2/${REPOSITORY}/blobs/${digest}`;
}

export function pull(
  name: string,
  { parallel, times }: { parallel: number; times: number },
  words: string,
  bar = BAR,
  stage = EMBEDDED,
): Work {
  return {
    name: stage.prefix + name,
    about: `pull of one big blob, ${words}${stage.suffix}`,
    cluster: stage.cluster,
    run: async (context): Promise<Row[]> =>
      stage.withPair(
        context,
        async (pair) => {
          const { place, loadgen, settings, tools } = context;
          const [bytes, label] = sizeOf(context);
          const path = await pushBig(context, each(pair), bytes);
          for (const registry of each(pair)) {
            await verifyServed(registry.address, path, path.slice(path.indexOf('sha256:')));
          }
          const side = (sideName: Side['name'], { address, child, helpers }: Peer, at = path): Side => ({
            name: sideName,
            pid: child.pid,
            helpers,
            run: async () =>
              mebibytesPerSecond(await loadgen.run(address, { mode: 'download', path: at, parallel, bytes, times })),
          });
          const sides = [side('marina', pair.marina), side('distribution', pair.distribution)];
          const title = `pull of ${label}, ${words}${stage.suffix}`;
          const bars = { work: stage.prefix + name, title, unit: 'MiB/s', bar };
          if (pair.presign !== undefined && !stage.keepsCopies) {
            const pipe = await startPipe(place, place.folder('pipe'), await pair.presign(bytes), bytes);
            return withPeer(pipe, async () => {
              const raw = await alternate(settings, [...sides, side('limit', pipe, '/blob')]);
              return [compare({ ...bars, limitName: 'bare Bun', limitBar: PIPE_BAR }, raw)];
            });
          }
          if (tools.nginx === undefined || stage.cluster) {
            return [compare(bars, await alternate(settings, sides))];
          }
          const folder = place.folder('nginx');
          const served = join(folder, 'files');
          mkdirSync(served);
          // nginx serves the same file as distribution, so both use the same pages in memory, without a second copy.
          const [file] = filesOver(pair.distribution.data, bytes);
          if (file === undefined) {
            throw new Error('distribution has no file as large as the pushed blob');
          }
          linkSync(file, join(served, 'blob'));
          const nginx = await startNginx(place, tools.nginx, folder);
          return withPeer(nginx, async () => {
            const raw = await alternate(settings, [...sides, side('limit', nginx, '/blob')]);
            return [compare({ ...bars, limitName: 'nginx', limitBar: NGINX_BAR }, raw)];
          });
        },
        BULKY,
      ),
  };
}

interface Halves {
  readonly push: number[];
  readonly pull: number[];
}

/**
 * A push that is followed by a pull at once, as when a build pushes an image and a deployment pulls it. Neither may be fast at the cost of
 * the other, for example by keeping bytes out of the page cache that are pulled next.
 */
export function pair(name: string, words: string, bar = BAR, stage = EMBEDDED): Work {
  return {
    name: stage.prefix + name,
    about: `${words}${stage.suffix}`,
    cluster: stage.cluster,
    run: async (context): Promise<Row[]> =>
      stage.withPair(
        context,
        async ({ marina, distribution }) => {
          const { place, loadgen, settings } = context;
          const [bytes, label] = sizeOf(context);
          const details: Record<string, Halves> = {};
          const side = (sideName: Side['name'], peer: Peer): Side => ({
            name: sideName,
            pid: peer.child.pid,
            helpers: peer.helpers,
            run: async (round) => {
              const seed = `${name} ${round}`;
              const order = {
                mode: 'upload',
                repositories: [REPOSITORY],
                parallel: 1,
                bytes,
                form: 'put',
                seed,
              } as const;
              const push = await loadgen.run(peer.address, order);
              const path = `/v2/${REPOSITORY}/blobs/${push.digest}`;
              const load = await loadgen.run(peer.address, { mode: 'download', path, parallel: 1, bytes, times: 1 });
              for (const file of filesOver(peer.data, stage.cluster ? MIN_PART : bytes)) rmSync(file);
              if (round >= 0) {
                details[sideName] ??= { push: [], pull: [] };
                details[sideName].push.push(push.seconds);
                details[sideName].pull.push(load.seconds);
              }
              return mebibytesPerSecond({
                ...load,
                bytes: push.bytes + load.bytes,
                seconds: push.seconds + load.seconds,
              });
            },
          });
          const sides = [side('marina', marina), side('distribution', distribution)];
          const between = async (): Promise<void> => void (await place.call(['sync']));
          const title = `${words} of ${label}${stage.suffix}`;
          const raw = await alternate(settings, sides, between);
          return [{ ...compare({ work: stage.prefix + name, title, unit: 'MiB/s', bar }, raw), details }];
        },
        BULKY,
      ),
  };
}

/** Pulls of a blob that was just pushed: in a cluster the first one comes out of the bucket, and during the second the node makes its own copy. */
export function pullTwice(bar: number, stage = EMBEDDED): Work {
  const name = `${stage.prefix}pull-twice`;
  return {
    name,
    about: `two pulls of one big blob, one after another${stage.suffix}`,
    cluster: stage.cluster,
    run: async (context): Promise<Row[]> =>
      stage.withPair(
        context,
        async ({ marina, distribution }) => {
          const { loadgen, settings } = context;
          const [bytes, label] = settings.quick ? [QUICK_BYTES / 2, '128 MiB'] : [GIBIBYTE / 2, '512 MiB'];
          const side = (sideName: Side['name'], { address, data, child, helpers }: Peer): Side => ({
            name: sideName,
            pid: child.pid,
            helpers,
            run: async (round) => {
              const order = { mode: 'upload', repositories: [REPOSITORY], parallel: 1, bytes, form: 'put' } as const;
              const { digest } = await loadgen.run(address, { ...order, seed: `${name} ${round}` });
              const path = `/v2/${REPOSITORY}/blobs/${digest}`;
              const load = await loadgen.run(address, { mode: 'download', path, parallel: 1, bytes, times: 2 });
              for (const file of filesOver(data, stage.cluster ? MIN_PART : bytes)) rmSync(file);
              return mebibytesPerSecond(load);
            },
          });
          const raw = await alternate(settings, [side('marina', marina), side('distribution', distribution)]);
          const title = `two pulls of ${label}, one after another${stage.suffix}`;
          return [compare({ work: name, title, unit: 'MiB/s', bar }, raw)];
        },
        BULKY,
      ),
  };
}

export const streamWorks: Work[] = [
  upload('upload-put', 'put', 'POST + PUT'),
  upload('upload-patch', 'patch', 'POST + chunked PATCH + PUT'),
  pull('pull-one', { parallel: 1, times: 6 }, 'one'),
  pull('pull-eight', { parallel: 8, times: 1 }, '8 at once'),
  pair('push-pull', 'a push and the first pull after it'),
];
