import type { RepositoryName } from '../oci/names.ts';
import type { ObjectStore } from '../storage/driver.ts';
import { type ExpiringTag, MAX_EXPIRING, saveExpiring } from './expiring.ts';
import type { PulledAt } from './plan.ts';
import type { RetentionPolicy } from './policy.ts';
import { nothingRetained, type RetentionReport, retentionReports } from './report.ts';
import { type RetainPorts, type RetentionProgress, retain } from './retain.ts';

export interface RetentionJobPorts extends Omit<RetainPorts, 'policy' | 'pulls' | 'driver' | 'onExpiring'> {
  readonly driver: ObjectStore;
  /** undefined when RETENTION_FILE is not set. */
  readonly policy: RetentionPolicy | undefined;
  /** Reads the times of pulls that matter to the policy. */
  readonly loadPulls: (policy: RetentionPolicy) => Promise<(repo: RepositoryName) => PulledAt>;
  /** Called with the report of every run, for log lines and metrics. */
  readonly onReport: (report: RetentionReport) => void;
}

export type RunRetention = (
  request: string | undefined,
  signal: AbortSignal,
  onProgress: (progress: RetentionProgress) => void,
) => Promise<void>;

/** Runs retention, on request or on schedule, and stores the report. */
export function retentionJob({ policy, loadPulls, onReport, ...ports }: RetentionJobPorts): RunRetention {
  return async (request, signal, onProgress) => {
    const requested = request === undefined ? {} : { request };
    if (policy === undefined) {
      if (request === undefined) return;
      const message = 'RETENTION_FILE is not set in the process that runs retention';
      const failed = { ...nothingRetained(ports.now(), message), ...requested };
      onReport(failed);
      return await retentionReports.answer(ports.driver, failed);
    }
    const expiring: ExpiringTag[] = [];
    const onExpiring = (tags: readonly ExpiringTag[]): void => {
      expiring.push(...tags.slice(0, MAX_EXPIRING - expiring.length));
    };
    const pulls = await loadPulls(policy);
    const report = await retain({ ...ports, policy, pulls, onExpiring }, signal, onProgress);
    if (policy.announces) await saveExpiring(ports.driver, expiring);
    onReport({ ...report, ...requested });
    await retentionReports.save(ports.driver, { ...report, ...requested });
  };
}
