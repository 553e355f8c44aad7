import type { SessionStore } from '../registry/sessions.ts';
import { CollectionFailed, type CollectionProgress, collect } from './collect.ts';
import type { CollectionPorts } from './ports.ts';
import { type CollectionReport, collectionReports } from './report.ts';

export interface CollectionJobPorts extends CollectionPorts {
  /** Whether scheduled runs collect (GC_ENABLED). */
  readonly enabled: boolean;
  readonly sessions: Pick<SessionStore, 'expire'>;
  /** Called with the report of every run, for log lines and metrics. */
  readonly onReport: (report: CollectionReport) => void;
}

export type RunCollection = (
  request: string | undefined,
  signal: AbortSignal,
  onProgress?: (progress: CollectionProgress) => void,
) => Promise<void>;

/**
 * One collection: requested by an operator, or scheduled if that is enabled. Its report is kept in the store. A requested run also
 * ends expired uploads, which otherwise wait for their own job.
 */
export function collectionJob(ports: CollectionJobPorts): RunCollection {
  return async (request, signal, onProgress = () => {}) => {
    if (request === undefined && !ports.enabled) return;
    const uploads = { sessions: 0, bytes: 0 };
    const keep = async (report: CollectionReport): Promise<void> => {
      const full = request === undefined ? report : { ...report, request, uploads };
      ports.onReport(full);
      await collectionReports.save(ports.driver, full);
    };
    try {
      const uploadsEnded =
        request === undefined ? undefined : await endExpiredUploads(ports, signal, uploads, onProgress);
      const report = await collect(ports, signal, { thorough: request !== undefined, onProgress });
      if (uploadsEnded?.failure === undefined) return await keep(report);
      const failed = `expired uploads could not be ended: ${messageOf(uploadsEnded.failure)}`;
      throw new CollectionFailed({ ...report, failed }, uploadsEnded.failure);
    } catch (error) {
      if (error instanceof CollectionFailed) await keep(error.report);
      throw error;
    }
  };
}

/** @returns the failure, if any: garbage is still collected, and the run fails afterwards */
async function endExpiredUploads(
  { sessions, now, uploadExpiry }: CollectionJobPorts,
  signal: AbortSignal,
  ended: { sessions: number; bytes: number },
  onProgress: (progress: CollectionProgress) => void,
): Promise<{ readonly failure?: unknown }> {
  onProgress({ phase: 'uploads', examined: 0, freed: 0 });
  try {
    await sessions.expire(now() - uploadExpiry, signal, ({ size }) => {
      ended.sessions++;
      ended.bytes += size;
    });
    signal.throwIfAborted();
    return {};
  } catch (failure) {
    signal.throwIfAborted();
    return { failure };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
