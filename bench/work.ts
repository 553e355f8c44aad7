// What a work is and what it returns. A work prepares its servers, measures in rounds, and returns rows for the table.
import type { Load, Loadgen } from './loadgen.ts';
import type { ServiceTools } from './peers/services.ts';
import type { Place } from './place.ts';
import { processorSeconds } from './processes.ts';
import { ratios, type Spread, spread } from './stats.ts';

export interface Settings {
  quick: boolean;
  rounds: number;
  /** Length of one timed run of a work that is measured by time. */
  seconds: number;
  /** Folder for CPU profiles of Marina; absent if none are written. */
  profile?: string;
}

export interface Tools {
  distribution: string;
  /** Absent if no work of the cluster runs. */
  services: ServiceTools | undefined;
  /** Absent if it is not installed: then pulls are not compared with a limit. */
  nginx: string | undefined;
}

export interface Context {
  place: Place;
  loadgen: Loadgen;
  tools: Tools;
  settings: Settings;
  say: (line: string) => void;
  /** A sentence that stands under the table. */
  note: (line: string) => void;
}

export type SideName = 'marina' | 'distribution' | 'limit';

/** One side of a comparison. A run returns its rate (higher is better) and what the client measured. */
export interface Side {
  name: SideName;
  /** Of the server, to note how much processor time a run took: that is less noisy than its rate. */
  pid?: number;
  /** Servers that it leans on, by their process ids. */
  helpers?: Readonly<Record<string, number>> | undefined;
  run: (round: number) => Promise<Run>;
}

export interface Run {
  rate: number;
  load?: Load;
  /** Seconds of processor time that the server used meanwhile, all threads together. */
  serverCpu?: number;
  /** The same of each server that it leans on. */
  helperCpu?: Record<string, number>;
}

export interface Row {
  work: string;
  title: string;
  unit: string;
  /** Medians, for the table. */
  values: Partial<Record<SideName, number>>;
  ratio?: Spread;
  bar?: number;
  limitName?: string;
  limitRatio?: Spread;
  limitBar?: number;
  /** A bar on Marina's own number instead of a ratio. */
  most?: number;
  raw: Partial<Record<SideName, Run[]>>;
  details?: unknown;
}

export interface Work {
  name: string;
  about: string;
  /** Left out of a --quick run unless it is named. */
  long?: boolean;
  /** Of the cluster: left out of a run without --cluster unless it is named. */
  cluster?: boolean;
  run: (context: Context) => Promise<Row[]>;
}

/**
 * Runs the sides in turn, forwards in one round and backwards in the next, so that neither a slow drift of the machine nor
 * the place in the order favours one of them. Round -1 warms up (caches, JIT) and is not counted.
 */
export async function alternate(
  settings: Settings,
  sides: readonly Side[],
  between?: () => Promise<void>,
): Promise<Partial<Record<SideName, Run[]>>> {
  const raw: Partial<Record<SideName, Run[]>> = {};
  for (let round = -1; round < settings.rounds; round += 1) {
    for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
      await between?.();
      const before = side.pid === undefined ? 0 : processorSeconds(side.pid);
      const helpers = Object.entries(side.helpers ?? {});
      const helped = helpers.map(([, pid]) => processorSeconds(pid));
      const run = await side.run(round);
      if (side.pid !== undefined) {
        run.serverCpu = processorSeconds(side.pid) - before;
      }
      if (helpers.length > 0) {
        const used = helpers.map(([name, pid], n) => [name, processorSeconds(pid) - (helped[n] ?? 0)] as const);
        run.helperCpu = Object.fromEntries(used);
      }
      if (round >= 0) {
        raw[side.name] = [...(raw[side.name] ?? []), run];
      }
    }
  }
  return raw;
}

export type Bars = Pick<Row, 'work' | 'title' | 'unit' | 'bar' | 'limitName' | 'limitBar'>;

/** Makes the table's row of measured rounds. */
export function compare(bars: Bars, raw: Partial<Record<SideName, Run[]>>): Row {
  const rates = (name: SideName): number[] | undefined => raw[name]?.map((run) => run.rate);
  const marina = rates('marina');
  if (marina === undefined) {
    throw new Error(`${bars.work}: Marina was not measured`);
  }
  const values: Row['values'] = { marina: spread(marina).median };
  const row: Row = { ...bars, values, raw };
  const distribution = rates('distribution');
  if (distribution !== undefined) {
    values.distribution = spread(distribution).median;
    row.ratio = ratios(marina, distribution);
  }
  const limit = rates('limit');
  if (limit !== undefined) {
    values.limit = spread(limit).median;
    row.limitRatio = ratios(marina, limit);
  }
  return row;
}

export function perSecond(load: Load): Run {
  return { rate: load.count / load.seconds, load };
}

export function mebibytesPerSecond(load: Load): Run {
  return { rate: load.bytes / 2 ** 20 / load.seconds, load };
}

/** What a row missed, in words; empty when it met its bars. */
export function missed(row: Row): string[] {
  const faults: string[] = [];
  const { marina } = row.values;
  if (row.bar !== undefined && row.ratio !== undefined && row.ratio.median < row.bar) {
    faults.push(`${row.ratio.median.toFixed(2)}x of distribution, the bar is ${row.bar}x`);
  }
  if (row.limitBar !== undefined && row.limitRatio !== undefined && row.limitRatio.median < row.limitBar) {
    faults.push(`${row.limitRatio.median.toFixed(2)}x of ${row.limitName}, the bar is ${row.limitBar}x`);
  }
  if (row.most !== undefined && marina !== undefined && marina > row.most) {
    faults.push(`${marina.toFixed(2)} ${row.unit}, the bar is at most ${row.most}`);
  }
  return faults;
}
