// Pushes while everybody who can get changes gets them: two webhooks, a reader of the feed and a replica, over pushes to a registry without
// any of these. All share the machine, so on few processors the work of the replica and the receiver counts, too: each image is stored
// twice. So the pushes are also compared with those of clients that push each image to a second registry instead, on this machine, which
// has nothing to do with the first one (docs/decisions/0107); reader and webhooks are the same. The processor time counts from the first push until all servers are at rest.
import { ratios, spread } from '../stats.ts';
import { alternate, type Context, perSecond, type Row, type Run, type Side, type Work } from '../work.ts';
import { CLIENTS } from './push.ts';
import { type FollowedServer, FollowedServers } from './with-all-servers.ts';

/** Without over with all. */
const MAX_RATIO = 1 / 0.9;
const LENGTHEN = 3;

async function run(context: Context): Promise<Row[]> {
  const { place, settings } = context;
  const seconds = settings.seconds * LENGTHEN;
  const folder = place.folder('push-with-all');
  await using servers = new FollowedServers(context, folder);
  const plain = await servers.start('plain');
  const all = await servers.start('all', { reader: true, webhooks: true, replica: true });
  const polite = await servers.start('polite', { reader: true, webhooks: true, replica: 'polite' });
  const watched = await servers.start('watched', { reader: true, webhooks: true });
  const second = await servers.start('second');
  let rest = 0;
  const atRest = async (): Promise<void> => {
    rest = Math.max(rest, await servers.atRest());
  };
  const sideOf = (name: 'marina' | 'one' | 'polite', to: FollowedServer): Side => ({
    ...{ name, pid: to.server.pid, helpers: to.replica && { replica: to.replica.pid } },
    run: async (round) => {
      const load = await servers.push(to, `with-all-${round + 1}`, seconds);
      await atRest();
      return perSecond(load);
    },
  });
  const both: Side = {
    name: 'limit',
    pid: [watched.server.pid, second.server.pid],
    run: async (round) => {
      const half = (to: FollowedServer) => servers.push(to, `twice-${round + 1}`, seconds, CLIENTS / 2);
      const loads = await Promise.all([half(watched), half(second)]);
      await atRest();
      return { rate: loads.reduce((sum, load) => sum + load.count / load.seconds, 0) / loads.length };
    },
  };
  const raw = await alternate(
    settings,
    [sideOf('marina', all), sideOf('one', plain), sideOf('polite', polite), both],
    async () => {
      await atRest();
      await place.call(['sync']);
    },
  );
  const { marina = [], one = [], polite: polites = [], limit = [] } = raw;
  context.note(`push-with-all: ${servers.deliveries} deliveries; at rest within ${rest.toFixed(0)} s after each side`);
  const row = (title: string, over: number[], under: number[]): Row => {
    const values = { marina: ratios(over, under).median };
    context.note(`push-with-all: ${title}: ${spread(over).median.toFixed(2)} over ${spread(under).median.toFixed(2)}`);
    return { work: 'push-with-all', title, unit: 'x', values, most: MAX_RATIO, raw };
  };
  const rates = (runs: readonly Run[]): number[] => runs.map(({ rate }) => rate);
  const costs = (runs: readonly Run[], helper?: string): number[] =>
    runs.map(({ rate, serverCpu = Number.NaN, helperCpu }) => {
      const used = serverCpu + (helper === undefined ? 0 : (helperCpu?.[helper] ?? Number.NaN));
      return (1_000 * used) / (rate * seconds);
    });
  return [
    row('image pushes a second, without over with feed, webhooks and replica', rates(one), rates(marina)),
    row('image pushes a second, without over with all, the replica at the lowest priority', rates(one), rates(polites)),
    row('image pushes a second, to a second registry over with a replica', rates(limit), rates(marina)),
    row('processor time of the server for an image, with over without, ms', costs(marina), costs(one)),
    row('processor time of both servers, replica over second registry, ms', costs(marina, 'replica'), costs(limit)),
  ];
}

export const pushWithAllWork: Work = {
  name: 'push-with-all',
  about: 'image push while webhooks, a reader of the feed and a replica get every change, over push without',
  long: true,
  run,
};
