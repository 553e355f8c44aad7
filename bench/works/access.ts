// GET of a manifest with credentials, compared with a Marina without access control.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Target } from '../loadgen.ts';
import { launchMarina, startMarina } from '../peers/marina.ts';
import { type Peer, ready } from '../peers/peer.ts';
import { MANIFEST_TYPE, pushImage } from '../registry.ts';
import { alternate, type Context, compare, perSecond, type Row, type Side, type Work } from '../work.ts';
import { profiler, withPeer } from './servers.ts';
import { SMALL_LAYERS } from './small.ts';

const REPOSITORY = 'library/alpine';
const TAG = '3.20';
const PATH = `/v2/${REPOSITORY}/manifests/${TAG}`;
const CONNECTIONS = 32;
const BASIC = `Basic ${btoa('deployer:correct horse battery staple')}`;

type Credentials = (address: string) => Promise<string>;

/** A password that the registry has just checked. */
async function rememberedPassword(address: string): Promise<string> {
  const response = await fetch(`http://${address}${PATH}`, { headers: { authorization: BASIC } });
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`GET ${PATH} with a password: status ${response.status}`);
  return BASIC;
}

const answer = z.object({ token: z.string() });

async function token(address: string): Promise<string> {
  const url = `http://${address}/token?service=${address}&scope=repository:${REPOSITORY}:pull`;
  const response = await fetch(url, { headers: { authorization: BASIC } });
  return `Bearer ${answer.parse(await response.json()).token}`;
}

/** Starts a registry with the image, open or with one account. */
async function start(
  { place, settings }: Context,
  folder: string,
  restricted: boolean,
): Promise<{ peer: Peer; size: number }> {
  const [data, log, htpasswd] = [join(folder, 'data'), join(folder, 'marina.log'), join(folder, 'htpasswd')];
  const flags = restricted ? profiler(settings) : [];
  const open = await startMarina(place, data, log, restricted ? {} : { flags });
  const { bytes } = await pushImage(open.address, REPOSITORY, TAG, SMALL_LAYERS);
  if (!restricted) return { peer: open, size: bytes.length };
  await open.child.stop();
  const hash = await Bun.password.hash('correct horse battery staple', { algorithm: 'bcrypt', cost: 10 });
  writeFileSync(htpasswd, `deployer:${hash}\n`, { mode: 0o600 });
  const { address, child } = launchMarina(place, log, { STORAGE_PATH: data, HTPASSWD_FILE: htpasswd }, flags);
  await ready(child, `http://${address}/healthz`, log);
  return { peer: { address, data, child }, size: bytes.length };
}

function access(name: string, about: string, credentials: Credentials, limitBar: number): Work {
  return {
    name,
    about,
    run: async (context): Promise<Row[]> => {
      const { place, loadgen, settings } = context;
      const open = await start(context, place.folder('open'), false);
      return withPeer(open.peer, async () => {
        const restricted = await start(context, place.folder('restricted'), true);
        const side = (sideName: Side['name'], { address, child }: Peer, authorization?: Credentials): Side => ({
          name: sideName,
          pid: child.pid,
          run: async () => {
            const target: Target = {
              ...{ method: 'GET', path: PATH, accept: MANIFEST_TYPE, bytes: open.size },
              ...(authorization === undefined ? {} : { authorization: await authorization(address) }),
            };
            const order = {
              mode: 'fixed',
              targets: [target],
              connections: CONNECTIONS,
              seconds: settings.seconds,
            } as const;
            return perSecond(await loadgen.run(address, order));
          },
        });
        return withPeer(restricted.peer, async () => {
          const sides = [side('marina', restricted.peer, credentials), side('limit', open.peer)];
          const bars = { work: name, title: about, unit: 'requests/s', limitName: 'open', limitBar };
          return [compare(bars, await alternate(settings, sides))];
        });
      });
    },
  };
}

export const accessWorks: readonly Work[] = [
  access('manifest-get-bearer', 'GET manifest by tag with a token', token, 0.8),
  access('manifest-get-basic', 'GET manifest by tag with a remembered password', rememberedPassword, 0.75),
];
