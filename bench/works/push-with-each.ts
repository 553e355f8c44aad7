// What each of those who get the changes costs: the processor time of the server for a pushed image, with a reader of the feed, with two
// webhooks, or with a replica, over a server without any; and that of the replica itself. It counts from the first push until all servers
// are at rest, so what they put off is included. A client that pushes each image to a second registry instead of a replica costs twice that
// of a server without. Unlike a rate, it says something on a machine with other work, too.
import { processorSeconds } from '../processes.ts';
import { ratios, spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';
import { type FollowedServer, FollowedServers, type Followers } from './with-all-servers.ts';

const LENGTHEN = 2;
const KINDS = {
  none: {},
  'a reader of the feed': { reader: true },
  'two webhooks': { webhooks: true },
  'a replica': { replica: true },
} as const satisfies Record<string, Followers>;
type Kind = keyof typeof KINDS;
const FOLLOWED = ['a reader of the feed', 'two webhooks', 'a replica'] as const satisfies readonly Kind[];

/** Milliseconds of processor time for an image. */
interface Cost {
  readonly server: number;
  /** 0 without a replica. */
  readonly replica: number;
}

async function run(context: Context): Promise<Row[]> {
  const { place, settings, note } = context;
  const folder = place.folder('push-with-each');
  await using servers = new FollowedServers(context, folder);
  const started = new Map<Kind, FollowedServer>();
  for (const [index, kind] of kinds().entries()) started.set(kind, await servers.start(`server-${index}`, KINDS[kind]));
  const costs = new Map<Kind, Cost[]>();
  for (let round = -1; round < settings.rounds; round++) {
    for (const kind of round % 2 === 0 ? kinds() : kinds().reverse()) {
      const server = started.get(kind);
      if (server === undefined) throw new Error(`there is no server with ${kind}`);
      await servers.atRest();
      await place.call(['sync']);
      const before = used(server);
      const { count } = await servers.push(server, `with-each-${round + 1}`, settings.seconds * LENGTHEN);
      await servers.atRest();
      const after = used(server);
      const cost = (of: keyof Cost): number => (1_000 * (after[of] - before[of])) / count;
      const measured = { server: cost('server'), replica: cost('replica') };
      if (round >= 0) costs.set(kind, [...(costs.get(kind) ?? []), measured]);
    }
  }
  const of = (kind: Kind, which: keyof Cost): number[] => (costs.get(kind) ?? []).map((cost) => cost[which]);
  const without = of('none', 'server');
  const row = (title: string, over: number[]): Row => {
    note(`push-with-each: ${title}: ${spread(over).median.toFixed(3)} over ${spread(without).median.toFixed(3)} ms`);
    const values = { marina: ratios(over, without).median };
    return { work: 'push-with-each', title, unit: 'x', values, raw: {}, details: { over, without } };
  };
  const title = 'processor time for a pushed image';
  return [
    ...FOLLOWED.map((kind) => row(`${title}: server with ${kind} over without`, of(kind, 'server'))),
    row(`${title}: replica over server without`, of('a replica', 'replica')),
    row(`${title}: server and its replica over a server without`, bothOf(costs.get('a replica') ?? [])),
  ];
}

function bothOf(costs: readonly Cost[]): number[] {
  return costs.map(({ server, replica }) => server + replica);
}

function kinds(): Kind[] {
  return ['none', ...FOLLOWED];
}

function used({ server, replica }: FollowedServer): Cost {
  return {
    server: processorSeconds(server.pid),
    replica: replica === undefined ? 0 : processorSeconds(replica.pid),
  };
}

export const pushWithEachWork: Work = {
  name: 'push-with-each',
  about: 'processor time for a pushed image with a reader of the feed, webhooks, or a replica',
  long: true,
  run,
};
