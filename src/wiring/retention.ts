import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Config, ConfigError } from '../config.ts';
import type { Projection } from '../projection/projection.ts';
import { type ExplanationPorts, Explanations } from '../retention/explanations.ts';
import type { RetentionView } from '../retention/interface.ts';
import {
  type LookAheadPorts,
  lookAheadJob,
  type RetentionJobPorts,
  type RunRetention,
  retentionJob,
} from '../retention/job.ts';
import type { RetentionPolicy } from '../retention/policy.ts';
import { type RetentionReport, retentionReports } from '../retention/report.ts';
import { type PlanPorts, type Removed, removesAnything } from '../retention/retain.ts';
import { StoredOutlook } from '../retention/stored-outlook.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { withScrapeTimeout } from './collection.ts';
import { type CountRequests, paceFor } from './pace.ts';
import { loadPulls, type PullLog, peekPulls } from './pulls.ts';
import type { OpenedStore } from './store.ts';

/**
 * Reads the policy in RETENTION_FILE; undefined if it is not set.
 * @throws ConfigError in one line, with the position in the file
 */
export async function openPolicy({
  retentionFile,
}: Pick<Config, 'retentionFile'>): Promise<RetentionPolicy | undefined> {
  if (retentionFile === undefined) return undefined;
  const [{ parsePolicy }, { RuleFileError }] = await Promise.all([
    import('../retention/policy-file.ts'),
    import('../rule-file/yaml-file.ts'),
  ]);
  try {
    return parsePolicy(readFileSync(retentionFile, 'utf8'));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why = error instanceof RuleFileError ? error.message : `it cannot be read: ${error.message}`;
    throw new ConfigError(`RETENTION_FILE=${retentionFile} cannot be used: ${why}`);
  }
}

/** How long the times of pulls are remembered, in milliseconds. */
const PULLS_FOR_MS = 60_000;

/** When tags were last pulled, as far as it is stored and a rule depends on it. For people: it may be a minute old. */
export function rememberPulls(
  policy: RetentionPolicy | undefined,
  { driver }: Pick<OpenedStore, 'driver'>,
): ExplanationPorts['pulls'] {
  let known: Promise<PlanPorts['pulls']> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (policy === undefined) return () => () => 0;
    if (known === undefined || performance.now() - readAt > PULLS_FOR_MS) {
      readAt = performance.now();
      known = peekPulls(driver, policy);
      // A failure is not remembered.
      known.catch(() => {
        known = undefined;
      });
    }
    return await known;
  };
}

interface OutlookWiring {
  readonly policy: RetentionPolicy | undefined;
  readonly opened: Pick<OpenedStore, 'driver'>;
  /** Has it computed again, in the background. */
  readonly lookAhead: () => Promise<unknown>;
  readonly logger: Logger;
}

/** How long what was computed for all repositories counts as new, in milliseconds. */
const NEW_FOR_MS = 10 * 60_000;
/** Minimum time between two looks in the store, and between two computations, in milliseconds. */
const [ASK_EVERY_MS, WANT_EVERY_MS] = [2_000, 60_000];

/**
 * What retention would do with all repositories. Each run stores it. If that is old, a request starts a look between two runs, which stores
 * it too: a registry whose page is not used does not pay for it.
 * @returns undefined if no rule deletes
 */
export function openOutlook({ policy, opened, lookAhead, logger }: OutlookWiring): ExplanationPorts['outlook'] {
  if (policy === undefined || !policy.rules.some(removesAnything)) return undefined;
  const stored = new StoredOutlook(opened.driver);
  let askedAt = Number.NEGATIVE_INFINITY;
  let wantedAt = Number.NEGATIVE_INFINITY;
  const refresh = async (): Promise<void> => {
    const now = performance.now();
    if (now - askedAt < ASK_EVERY_MS) return;
    askedAt = now;
    await stored.refresh();
    const { outlook } = stored;
    const isNew = outlook !== undefined && Math.abs(Date.now() - outlook.computedAt) < NEW_FOR_MS;
    if (isNew || now - wantedAt < WANT_EVERY_MS) return;
    wantedAt = now;
    await lookAhead();
  };
  return async () => {
    try {
      await refresh();
    } catch (error) {
      logger.warn({ err: error }, 'what retention would delete could not be computed');
    }
    return stored.outlook;
  };
}

/** Explains what the rules do. */
export function explainRetention(
  policy: RetentionPolicy | undefined,
  ports: Pick<ExplanationPorts, 'access' | 'stateOf' | 'pulls' | 'outlook'>,
): RetentionView {
  return new Explanations({
    ...ports,
    ruleFor: (repo) => policy?.ruleFor(repo),
    yieldToRequests: () => nextTurn(),
    now: Date.now,
  });
}

export interface RetentionWiring {
  readonly opened: Pick<OpenedStore, 'driver'>;
  readonly policy: RetentionPolicy | undefined;
  readonly projection: Pick<Projection, 'submit'>;
  readonly resident?: RetentionJobPorts['resident'];
  /** Pulls of this process's clients that are not stored yet. */
  readonly pulls?: Pick<PullLog, 'flush'> | undefined;
  readonly newId: () => string;
  /** Absent if the process serves no requests. */
  readonly requests?: CountRequests | undefined;
  readonly onRemoved?: (removed: Removed) => void;
  readonly onReport: (report: RetentionReport) => void;
}

interface WiredRetention {
  readonly retain: RunRetention;
  readonly lookAhead: (signal: AbortSignal) => Promise<void>;
}

/** Creates the functions that run retention in this process, and that find out what a run would do. */
export function wireRetention({ opened, requests, resident, pulls, newId, ...ports }: RetentionWiring): WiredRetention {
  const shared: LookAheadPorts = {
    policy: ports.policy,
    driver: opened.driver,
    resident: resident ?? (() => undefined),
    loadPulls: async (policy) => {
      await pulls?.flush();
      return await loadPulls(opened.driver, policy, newId);
    },
    yieldToRequests: paceFor(requests),
    now: Date.now,
  };
  return { retain: retentionJob({ ...ports, ...shared }), lookAhead: lookAheadJob(shared) };
}

/** Logs what a run does. */
export function logRetention(logger: Logger): Required<Pick<RetentionWiring, 'onRemoved' | 'onReport'>> {
  return {
    onRemoved: (removed) => logger.info(removed, 'retention deleted what its rule no longer keeps'),
    onReport: ({ startedAt, finishedAt, ...numbers }) => {
      const about = { ...numbers, seconds: (finishedAt - startedAt) / 1000 };
      if (numbers.failures > 0) logger.error(about, 'retention ran, but failed for some repositories');
      else logger.info(about, 'retention ran');
    },
  };
}

/** Shows the last retention run under /metrics, whichever process ran it. */
export function observeRetention(telemetry: Telemetry, { driver }: Pick<OpenedStore, 'driver'>, logger: Logger): void {
  telemetry.retention.observe({
    last: () => withScrapeTimeout(retentionReports.last(driver)),
    failed: (error) => logger.warn({ err: error }, 'the last run of retention could not be read'),
  });
}
