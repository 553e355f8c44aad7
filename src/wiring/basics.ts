import { setTimeout as delay } from 'node:timers/promises';
import { monotonicFactory } from 'ulid';
import { type ActorLabel, labelOf } from '../access/identity.ts';
import { type Config, ConfigError } from '../config.ts';
import type { AdmissionLimits } from '../http/admission.ts';
import type { Incarnation } from '../oci/names.ts';
import type { Repeat } from '../registry/renewed-lease.ts';
import { CRASH_POINTS, crashAt, failAt, noCrash, type ReachStep } from '../storage/crash-points.ts';
import { maxOpenFiles } from '../system/open-files.ts';

/** The real clock, randomness and timers. */

/** Creates ULIDs that are ordered within this process, with a new random part each millisecond. */
export function idFactory(): () => Incarnation {
  const next = monotonicFactory();
  return () => next() as Incarnation;
}

/** Resolves early, without an error, when the signal is aborted. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AbortError')) throw error;
  }
}

/** The actor of what this process does for an operator. On a system without users it is `operator:unknown`. */
export function operatorLabel(): ActorLabel {
  return labelOf({ kind: 'operator', uid: process.geteuid?.() });
}

export const repeat: Repeat = (milliseconds, work) => {
  const timer = setInterval(() => void work(), milliseconds);
  return () => clearInterval(timer);
};

/** @param descriptorsPerRequest how many open files a request may need, its connection included */
export function admissionLimits(
  { maxConnections, maxConnectionsShare }: Pick<Config, 'maxConnections' | 'maxConnectionsShare'>,
  descriptorsPerRequest: number,
): AdmissionLimits {
  const available = maxOpenFiles() ?? Number.POSITIVE_INFINITY;
  const max = Math.min(maxConnections, Math.floor(available / descriptorsPerRequest));
  return { max, maxPerAddress: Math.max(1, Math.floor((max * maxConnectionsShare) / 100)) };
}

/** Parses CRASH_POINT. Each thread counts for itself. @throws ConfigError if it does not name a step */
export function reachOf(setting: string | undefined): ReachStep {
  if (setting === undefined) return noCrash;
  const [, name, count = '1', where] = /^([^:]+)(?::([1-9]\d*)(?::(thread))?)?$/.exec(setting) ?? [];
  const point = CRASH_POINTS.find((each) => each === name);
  if (point === undefined) {
    throw new ConfigError(
      `CRASH_POINT=${setting} cannot be used: name:count or name:count:thread is expected, the name one of ${CRASH_POINTS.join(', ')}`,
    );
  }
  if (where === undefined) return crashAt(point, Number(count));
  return Bun.isMainThread ? noCrash : failAt(point, Number(count));
}
