import type { RepositoryName } from '../oci/names.ts';
import type { ObjectStore } from '../storage/driver.ts';
import { type ExpiringTag, expiringTags, MAX_EXPIRING, saveExpiring } from './expiring.ts';
import { OutlookCollector } from './outlook.ts';
import type { PulledAt } from './plan.ts';
import type { RetentionPolicy } from './policy.ts';
import { nothingRetained, type RetentionReport, retentionReports } from './report.ts';
import { type Looked, lookAtAll, type RetainPorts, type RetentionProgress, removesAnything, retain } from './retain.ts';
import { saveOutlook } from './stored-outlook.ts';

export interface RetentionJobPorts extends Omit<RetainPorts, 'policy' | 'pulls' | 'driver' | 'onApplied'> {
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

/** Runs retention, on request or on schedule, and stores the report and what goes next. */
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
    const collector = collectorFor(policy);
    const onApplied = (applied: Looked): void => {
      expiring.push(...expiringTags(applied).slice(0, MAX_EXPIRING - expiring.length));
      addTo(collector, applied);
    };
    const pulls = await loadPulls(policy);
    const report = await retain({ ...ports, policy, pulls, onApplied }, signal, onProgress);
    if (policy.announces) await saveExpiring(ports.driver, expiring);
    await saveOutlook(ports.driver, collector.outlook(ports.now()));
    onReport({ ...report, ...requested });
    await retentionReports.save(ports.driver, { ...report, ...requested });
  };
}

export type LookAheadPorts = Pick<
  RetentionJobPorts,
  'driver' | 'policy' | 'loadPulls' | 'resident' | 'yieldToRequests' | 'now'
>;

/** Finds out what a run would delete and what the rules keep, deletes nothing, and stores it. */
export function lookAheadJob({ policy, loadPulls, ...ports }: LookAheadPorts): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    if (policy === undefined) return;
    const collector = collectorFor(policy);
    const pulls = await loadPulls(policy);
    for await (const looked of lookAtAll({ ...ports, policy, pulls }, signal)) addTo(collector, looked);
    await saveOutlook(ports.driver, collector.outlook(ports.now()));
  };
}

function collectorFor({ rules }: RetentionPolicy): OutlookCollector {
  return new OutlookCollector(rules.filter(removesAnything));
}

function addTo(collector: OutlookCollector, { repo, state, rule, matches, times }: Looked): void {
  collector.add(repo, state, rule, matches, times);
}
