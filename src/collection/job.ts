import { CollectionFailed, type CollectionProgress, collect } from './collect.ts';
import type { CollectionPorts } from './ports.ts';
import { type CollectionReport, saveReport } from './report.ts';

export interface CollectionJobPorts extends CollectionPorts {
  /** Whether garbage is collected by the clock (GC_ENABLED). */
  readonly enabled: boolean;
  /** For the log. */
  readonly onReport: (report: CollectionReport) => void;
}

export type RunCollection = (
  request: string | undefined,
  signal: AbortSignal,
  onProgress?: (progress: CollectionProgress) => void,
) => Promise<void>;

/** One collection: when somebody asked for it, or, if that is enabled, by the clock. What it did is kept in the store. */
export function collectionJob(ports: CollectionJobPorts): RunCollection {
  return async (request, signal, onProgress = () => {}) => {
    if (request === undefined && !ports.enabled) return;
    const options = { thorough: request !== undefined, onProgress };
    const keep = async (report: CollectionReport): Promise<void> => {
      const full = request === undefined ? report : { ...report, request };
      ports.onReport(full);
      await saveReport(ports.driver, full);
    };
    try {
      await keep(await collect(ports, signal, options));
    } catch (error) {
      if (error instanceof CollectionFailed) await keep(error.report);
      throw error;
    }
  };
}
