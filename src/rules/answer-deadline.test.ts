import { expect, test } from 'bun:test';
import { A, bodyOf, CALLER, openRegistry, refusalOf, text } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import type { Registry } from '../registry/interface.ts';
import { AnswerDeadline } from './answer-deadline.ts';

const digest = digestOf('sha256', text('any'));
const reference = { kind: 'digest', digest } as const;

/** Timers that the test fires. */
function timers() {
  const set = new Map<() => void, number>();
  return {
    set,
    start: (milliseconds: number, late: () => void) => {
      set.set(late, milliseconds);
      return () => void set.delete(late);
    },
    runOut: () => {
      for (const late of [...set.keys()]) late();
    },
  };
}

/** A registry whose methods never answer. It records the callers. */
function silent() {
  const callers: { readonly signal: AbortSignal }[] = [];
  const registry = new Proxy({} as Registry, {
    get:
      () =>
      (...args: readonly unknown[]) => {
        const caller = args.find((arg) => typeof arg === 'object' && arg !== null && 'signal' in arg);
        if (caller !== undefined) callers.push(caller as { readonly signal: AbortSignal });
        // Reads the signal, as a caller of the store does.
        void callers.at(-1)?.signal;
        return new Promise<never>(() => {});
      },
  });
  return { callers, registry };
}

test('every request without the bytes of a blob is answered at its deadline, and its own work is aborted', async () => {
  const { callers, registry: inner } = silent();
  const clock = timers();
  const registry: Registry = new AnswerDeadline(inner, clock.start);
  const page = { after: undefined, limit: undefined };
  const pushed = { bytes: text('x'), contentType: undefined, digest: undefined, tags: [] };
  const asked = [
    registry.getBlob(A, digest, CALLER),
    registry.resolveBlob(A, digest, CALLER),
    registry.getManifest(A, reference, CALLER),
    registry.resolveManifest(A, reference, CALLER),
    registry.uploadStatus(A, 'id' as never, CALLER),
    registry.tags(A, page, CALLER),
    registry.referrers(A, digest, { artifactType: undefined, after: undefined, fits: () => true }, CALLER),
    registry.renewBlob(A, digest, CALLER),
    registry.renewManifest(A, reference, CALLER),
    registry.startUpload(A, 'sha256', CALLER),
    registry.cancelUpload(A, 'id' as never, CALLER),
    registry.mountBlob(A, digest, undefined, CALLER),
    registry.pushManifest(A, pushed, CALLER),
    registry.deleteBlob(A, digest, CALLER),
    registry.deleteManifest(A, digest, CALLER),
    registry.deleteTag(A, 'v1' as never, undefined, CALLER),
    registry.repositories(page, CALLER),
  ].map((answer) => refusalOf(Promise.resolve<unknown>(answer)));
  expect([...clock.set.values()]).toEqual([...Array(7).fill(10_000), ...Array(9).fill(12_000), 60_000]);
  clock.runOut();
  expect(await Promise.all(asked)).toEqual(Array(asked.length).fill('unavailable'));
  expect(callers.map(({ signal }) => signal.aborted)).toEqual(Array(asked.length).fill(true));
});

test('requests with the bytes of a blob have no deadline', () => {
  const clock = timers();
  const registry: Registry = new AnswerDeadline(silent().registry, clock.start);
  void registry.pushBlob(A, digest, bodyOf([]), CALLER);
  void registry.appendToUpload(A, 'id' as never, bodyOf([]), undefined, CALLER);
  void registry.closeUpload(A, 'id' as never, digest, bodyOf([]), undefined, CALLER);
  expect(clock.set.size).toBe(0);
});

test('answers in time are passed on unchanged, synchronous ones synchronously, and no timer is left', async () => {
  const open = openRegistry();
  const clock = timers();
  const registry: Registry = new AnswerDeadline(open.registry, clock.start);
  const blob = await open.push(A, text('a blob'));
  const first = registry.resolveBlob(A, blob, CALLER);
  expect((await first).size).toBe(6);
  expect(registry.resolveBlob(A, blob, CALLER)).not.toBeInstanceOf(Promise);
  expect(await refusalOf(Promise.try(() => registry.resolveBlob(A, digest, CALLER)))).toBe('blob-unknown');
  await Bun.sleep(0);
  expect(clock.set.size).toBe(0);
});

test('the wrapped registry sees that a client has left', async () => {
  const { callers, registry: inner } = silent();
  const leaving = new AbortController();
  const registry: Registry = new AnswerDeadline(inner, timers().start);
  void registry.getBlob(A, digest, { ...CALLER, signal: leaving.signal });
  leaving.abort(new Error('left'));
  expect(callers[0]?.signal.reason).toEqual(new Error('left'));
});
