// The definition of a work: it prepares its servers, measures in rounds, and returns rows for the table.
import type { Load, Loadgen } from './loadgen.ts';
import type { ServiceTools } from './peers/services.ts';
import type { Place } from './place.ts';
import { processorSeconds } from './processes.ts';
import { ratios, type Spread, spread } from './stats.ts';

export interface Settings {
  quick: boolean;
  rounds: number;
  /** Length of one timed run, in seconds. */
  seconds: number;
  /** Folder for CPU profiles of Marina; absent if none are written. */
  profile?: string;
}

export interface Tools {
  distribution: string;
  /** Absent if no work of the cluster is run. */
  services: ServiceTools | undefined;
  /** Absent if nginx is not installed. Then pulls are not compared with a limit. */
  nginx: string | undefined;
}

export interface Context {
  place: Place;
  loadgen: Loadgen;
  tools: Tools;
  settings: Settings;
  say: (line: string) => void;
  /** Adds a sentence under the table. */
  note: (line: string) => void;
}

/** `one`: Marina with one thread, or with nothing beside it. `polite`: with what is beside it at the lowest priority. */
export type SideName = 'marina' | 'distribution' | 'limit' | 'one' | 'mixed' | 'polite';

/** One side of a comparison. A run returns its rate (higher is better) and what the client measured. */
export interface Side {
  name: SideName;
  /** Process id of the server, or several, to record the CPU time of a run, which is less noisy than its rate. */
  pid?: number | readonly number[];
  /** Process ids of the services that it uses, by name. */
  helpers?: Readonly<Record<string, number>> | undefined;
  run: (round: number) => Promise<Run>;
}

export interface Run {
  rate: number;
  load?: Load;
  /** CPU seconds that all threads of the server used during the run. */
  serverCpu?: number;
  /** CPU seconds of each service that it uses. */
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
  /** A maximum for Marina's absolute number, instead of a ratio. */
  most?: number;
  raw: Partial<Record<SideName, Run[]>>;
  details?: unknown;
}

export interface Work {
  name: string;
  about: string;
  /** Excluded from a --quick run unless it is named. */
  long?: boolean;
  /** A work of the cluster: excluded from a run without --cluster unless it is named. */
  cluster?: boolean;
  run: (context: Context) => Promise<Row[]>;
}

/**
 * Runs the sides in turn, with the order reversed in every second round, so that neither a drift of the machine's speed nor the order
 * favours one of them. Round -1 warms up caches and the JIT, and is not counted.
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
      const before = secondsOf(side.pid);
      const helpers = Object.entries(side.helpers ?? {});
      const helped = helpers.map(([, pid]) => processorSeconds(pid));
      const run = await side.run(round);
      if (side.pid !== undefined) {
        run.serverCpu = secondsOf(side.pid) - before;
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

function secondsOf(pids: Side['pid'] = []): number {
  return [pids].flat().reduce((sum, pid) => sum + processorSeconds(pid), 0);
}

export type Bars = Pick<Row, 'work' | 'title' | 'unit' | 'bar' | 'limitName' | 'limitBar'>;

/** Creates a row of the table from the measured rounds. */
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

/** Describes the bars that a row missed; empty if it met all of them. */
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
