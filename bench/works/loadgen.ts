// Checks that the client itself is fast enough. It runs against bare Bun.serve, the fastest server of this bench, and is compared with
// wrk if that is installed.
import { startConstant } from '../peers/limit.ts';
import { spread } from '../stats.ts';
import type { Context, Row, Work } from '../work.ts';
import { withPeer } from './servers.ts';

const BYTES = 1000;
const CONNECTIONS = 32;

async function wrk(context: Context, binary: string, address: string): Promise<number> {
  const { seconds } = context.settings;
  const text = await context.place.call([binary, '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, `http://${address}/v2/`]);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
}

export const loadgenWork: Work = {
  name: 'loadgen',
  about: "the bench's own client against bare Bun.serve, beside wrk: is it fast enough to measure others?",
  run: async (context): Promise<Row[]> => {
    const { place, loadgen, settings, note } = context;
    const constant = await startConstant(place, place.folder('constant'), BYTES);
    const other = Bun.which('wrk');
    await withPeer(constant, async () => {
      const targets = [{ method: 'GET', path: '/v2/', bytes: BYTES } as const];
      const rates: number[] = [];
      const wrkRates: number[] = [];
      const busy: number[] = [];
      for (let round = -1; round < settings.rounds; round += 1) {
        const order = { mode: 'fixed', targets, connections: CONNECTIONS, seconds: settings.seconds } as const;
        const load = await loadgen.run(constant.address, order);
        const compared = other === null ? undefined : await wrk(context, other, constant.address);
        if (round >= 0) {
          rates.push(load.count / load.seconds);
          busy.push(load.busy);
          wrkRates.push(...(compared === undefined ? [] : [compared]));
        }
      }
      const rate = Math.round(spread(rates).median).toLocaleString('en-US');
      const share = spread(busy).median.toFixed(2);
      const beside =
        wrkRates.length === 0 ? '' : `; wrk got ${Math.round(spread(wrkRates).median).toLocaleString('en-US')}`;
      note(`the client got ${rate} requests/s out of bare Bun.serve with ${share} of a core${beside}`);
    });
    return [];
  },
};
