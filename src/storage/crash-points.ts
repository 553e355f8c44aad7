/**
 * The named steps at which a test can kill the process (setting CRASH_POINT), in the order of an append, then of an
 * upload.
 */
export const CRASH_POINTS = [
  'create.before-write',
  'create.before-sync',
  'create.before-link',
  'create.before-folder-sync',
  'create.after-folder-sync',
  'put.before-sync',
  'put.before-rename',
  'put.before-folder-sync',
  'put.after-folder-sync',
  'stage.opened',
  'stage.before-settle',
  'stage.after-settle',
  'commit.before-rename',
  'commit.before-folder-sync',
  'commit.after-folder-sync',
  'append.before-apply',
  'append.before-acknowledge',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** Called at each step. Outside the tests it does nothing. */
export type ReachStep = (point: CrashPoint) => void;

export const noCrash: ReachStep = () => {};

/** Does something when `point` is reached for the `count`-th time. */
function actAt(point: CrashPoint, count: number, act: () => void): ReachStep {
  let left = count;
  return (reached) => {
    if (reached === point && --left === 0) act();
  };
}

/** Ends the process as kill -9 would when `point` is reached for the `count`-th time. */
export function crashAt(point: CrashPoint, count: number): ReachStep {
  return actAt(point, count, () => process.kill(process.pid, 'SIGKILL'));
}

/** Throws an error that nobody catches, as a defect would. */
export function failAt(point: CrashPoint, count: number): ReachStep {
  return actAt(point, count, () =>
    queueMicrotask(() => {
      throw new Error(`a defect at ${point}`);
    }),
  );
}
