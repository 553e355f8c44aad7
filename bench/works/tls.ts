// TLS, with the same certificate for both: new connections, and one large blob.
import { join } from 'node:path';
import { startDistribution } from '../peers/distribution.ts';
import { startMarina } from '../peers/marina.ts';
import type { Registry, TlsFiles } from '../peers/peer.ts';
import {
  alternate,
  type Context,
  compare,
  mebibytesPerSecond,
  perSecond,
  type Row,
  type Side,
  type Work,
} from '../work.ts';
import { type Pair, profiler } from './servers.ts';
import { GIBIBYTE, pushBig } from './stream.ts';

const QUICK_BYTES = 2 ** 28;
const CLIENTS = 8;
const BAR = 1;
const PULL_BAR = 1.3;
/** What /v2/ answers: `{}`. */
const PING_BYTES = 2;

interface Secured extends Pair {
  /** Path of the certificate that the client trusts. */
  ca: string;
}

/** A self-signed P-256 certificate for 127.0.0.1. */
async function makeCertificate({ place }: Context, folder: string): Promise<TlsFiles> {
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', files.key];
  const about = ['-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  await place.call(['openssl', 'req', '-x509', ...key, ...about, '-out', files.cert]);
  return files;
}

/** Starts both registries; with `tls`, they speak nothing else. */
async function start(context: Context, folder: string, tls: TlsFiles | undefined): Promise<Pair> {
  const { place, tools, settings } = context;
  const logOf = (name: string): string => join(folder, `${name}${tls === undefined ? '' : '-tls'}.log`);
  const options = tls === undefined ? {} : { tls, flags: profiler(settings) };
  const marina = await startMarina(place, join(folder, 'marina'), logOf('marina'), options);
  try {
    const data = join(folder, 'distribution');
    const distribution = await startDistribution(
      place,
      tools.distribution,
      data,
      logOf('distribution'),
      undefined,
      tls,
    );
    return { marina, distribution };
  } catch (error) {
    await marina.child.stop();
    throw error;
  }
}

async function stop({ marina, distribution }: Pair): Promise<void> {
  await Promise.all([marina.child.stop(), distribution.child.stop()]);
}

/** Fills both registries over plain HTTP, then runs the task on both with TLS. */
async function withSecured<T>(
  context: Context,
  fill: (registries: Registry[]) => Promise<T>,
  task: (secured: Secured, filled: T) => Promise<Row[]>,
): Promise<Row[]> {
  const folder = context.place.folder('tls');
  const tls = await makeCertificate(context, folder);
  const plain = await start(context, folder, undefined);
  let filled: T;
  try {
    filled = await fill([plain.marina, plain.distribution]);
  } finally {
    await stop(plain);
  }
  const pair = await start(context, folder, tls);
  try {
    return await task({ ...pair, ca: tls.cert }, filled);
  } finally {
    await stop(pair);
  }
}

const handshakes: Work = {
  name: 'tls-handshakes',
  about: `new connections with TLS, one request each, ${CLIENTS} clients at once`,
  run: (context) =>
    withSecured(
      context,
      async () => undefined,
      async ({ marina, distribution, ca }) => {
        const { loadgen, settings } = context;
        const { seconds } = settings;
        const order = { mode: 'secure', ca, path: '/v2/', parallel: CLIENTS, bytes: PING_BYTES, seconds } as const;
        const side = (name: Side['name'], { address, child }: Registry): Side => ({
          name,
          pid: child.pid,
          run: async () => perSecond(await loadgen.run(address, order)),
        });
        const raw = await alternate(settings, [side('marina', marina), side('distribution', distribution)]);
        const title = `TLS handshakes with one request, ${CLIENTS} clients`;
        return [compare({ work: 'tls-handshakes', title, unit: '/s', bar: BAR }, raw)];
      },
    ),
};

const bigPull = (work: string, words: string, { parallel, times }: { parallel: number; times: number }): Work => ({
  name: work,
  about: `pull of one big blob over TLS, ${words}`,
  run: (context) => {
    const [bytes, label] = context.settings.quick ? [QUICK_BYTES, '256 MiB'] : [GIBIBYTE, '1 GiB'];
    return withSecured(
      context,
      (registries) => pushBig(context, registries, bytes),
      async ({ marina, distribution, ca }, path) => {
        const { loadgen, settings } = context;
        const order = { mode: 'secure', ca, path, parallel, bytes, times } as const;
        const side = (name: Side['name'], { address, child }: Registry): Side => ({
          name,
          pid: child.pid,
          run: async () => mebibytesPerSecond(await loadgen.run(address, order)),
        });
        const raw = await alternate(settings, [side('marina', marina), side('distribution', distribution)]);
        const title = `pull of ${label} over TLS, ${words}`;
        return [compare({ work, title, unit: 'MiB/s', bar: PULL_BAR }, raw)];
      },
    );
  },
});

export const tlsWorks: readonly Work[] = [
  handshakes,
  bigPull('tls-pull', 'one', { parallel: 1, times: 3 }),
  bigPull('tls-pull-eight', '8 at once', { parallel: 8, times: 1 }),
];
