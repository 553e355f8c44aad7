import { FFIType } from 'bun:ffi';
import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { loadLibc } from './libc.ts';

/** The threads of this process, on Linux. */
const THREADS = '/proc/self/task';
/** `cpu_set_t` of the C library: a bit for each of 1,024 processors. */
const SET_BYTES = 128;

/*
 * How a process lets others go first. On Linux both ways hold for a thread, not for a process ("the nice value is a per-thread attribute",
 * setpriority(2); sched_setaffinity(2)). A new thread inherits them from the one that starts it, so those that are there already get them,
 * too.
 */

/**
 * Gives this process the lowest priority, for good.
 * @throws SystemError if the system refuses
 */
export function takeLowestPriority(): void {
  setPriority(constants.priority.PRIORITY_LOW);
  if (process.platform === 'linux') forEachThread(lowerPriority);
}

/**
 * Keeps this process to one processor, for good, on Linux. There the priority alone is not enough: a thread that waits for a processor may
 * wait some milliseconds for one with a lower priority, if it has used the processor much itself. And Bun has threads that compile and
 * collect garbage beside the one that works, so all processors of a small machine would be in use (docs/decisions/0102).
 */
export function keepToOneProcessor(): void {
  if (process.platform === 'linux') forEachThread(oneProcessor());
}

function forEachThread(apply: (thread: number) => void): void {
  const done = new Set<number>();
  // Until it is its turn, a thread may start another one, which is listed next time.
  for (let others = threads(); others.length > 0; others = threads().filter((thread) => !done.has(thread)))
    for (const thread of others) {
      apply(thread);
      done.add(thread);
    }
}

function threads(): number[] {
  return readdirSync(THREADS).map(Number);
}

function lowerPriority(thread: number): void {
  try {
    setPriority(thread, constants.priority.PRIORITY_LOW);
  } catch (error) {
    if (!hasEnded(error)) throw error;
  }
}

/** Whether the thread is gone meanwhile. */
function hasEnded(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && error.errno === -constants.errno.ESRCH;
}

/**
 * The last one of the processors that this process may use: the first one often has the interrupts.
 * @returns what keeps a thread to it. If the system refuses, the thread may still use all of them.
 */
function oneProcessor(): (thread: number) => void {
  const { sched_getaffinity: read, sched_setaffinity: write } = loadLibc({
    sched_getaffinity: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
    sched_setaffinity: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  });
  const allowed = new Uint8Array(SET_BYTES);
  // A machine with more processors than the set has bits refuses.
  if (read(0, SET_BYTES, allowed) < 0) return () => {};
  const at = allowed.findLastIndex((bits) => bits !== 0);
  const one = new Uint8Array(SET_BYTES);
  one[at] = 1 << (31 - Math.clz32(allowed[at] ?? 0));
  return (thread) => void write(thread, SET_BYTES, one);
}
