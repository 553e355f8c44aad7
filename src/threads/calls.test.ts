import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Samples } from '../../test/support/calls-worker.ts';
import { RegistryError, Unanswered } from '../oci/errors.ts';
import { offer, remote } from './calls.ts';

const NAMES = ['echo', 'after', 'sizeOfBuffer', 'head', 'refuse', 'timeOut', 'fail', 'returnFunction'] as const;

let worker: Worker;
let samples: Samples;

beforeAll(() => {
  const { port1, port2 } = new MessageChannel();
  worker = new Worker(new URL('../../test/support/calls-worker.ts', import.meta.url).href);
  worker.postMessage(port2, [port2]);
  samples = remote<Samples>(port1, NAMES);
});

afterAll(() => worker.terminate());

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the call succeeded');
}

describe('a call to another thread', () => {
  test('returns what the function there returns', async () => {
    const value = { text: 'ä', number: 1.5, none: undefined, list: [1, [2]], map: new Map([['a', 1n]]) };
    expect(await samples.echo(value)).toEqual(value);
    expect(await samples.echo(undefined)).toBeUndefined();
  });

  test('begins in the order of the calls, and is answered as soon as it has ended', async () => {
    const answered: string[] = [];
    const call = async (name: string, milliseconds: number): Promise<void> => {
      await samples.after(name, milliseconds);
      answered.push(name);
    };
    await Promise.all([call('slow', 200), call('fast', 0), call('middle', 100)]);
    expect(answered).toEqual(['fast', 'middle', 'slow']);
    expect(await samples.after('last', 0)).toEqual(['slow', 'fast', 'middle', 'last']);
  });

  test('may carry many megabytes in both directions', async () => {
    const bytes = new Uint8Array(48 * 1024 * 1024);
    crypto.getRandomValues(bytes.subarray(0, 65_536));
    bytes.copyWithin(bytes.length - 65_536, 0, 65_536);
    const returned = await samples.echo(bytes);
    expect(returned).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(returned as Uint8Array, bytes)).toBe(0);
    expect(bytes.length).toBe(48 * 1024 * 1024);
  });

  test('carries only the bytes of a view, not the buffer that it is in', async () => {
    const whole = new Uint8Array(1_000_000).fill(7);
    expect(await samples.sizeOfBuffer(whole.subarray(10, 20))).toBe(10);
    expect(await samples.sizeOfBuffer(Buffer.from('text'))).toBe(4);
    const [first] = (await samples.echo([whole.subarray(0, 3)])) as Uint8Array[];
    expect(first?.buffer.byteLength).toBe(3);
    const head = await samples.head(whole, 5);
    expect([head.length, head.buffer.byteLength]).toEqual([5, 5]);
  });
});

describe('an error of another thread', () => {
  test('that is a refusal keeps its kind, message and detail', async () => {
    const error = await rejection(samples.refuse());
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({
      kind: 'upload-busy',
      message: 'another request writes to this upload',
      detail: { retry: 'later', slots: ['a', 'b'] },
    });
  });

  test('that says that a store did not answer stays one', async () => {
    const error = await rejection(samples.timeOut());
    expect(error).toBeInstanceOf(Unanswered);
    expect(error).toHaveProperty('message', 'the store did not answer');
  });

  test('of another kind keeps its message, its code and its place', async () => {
    const error = await rejection(samples.fail('ENOSPC'));
    expect(error).toMatchObject({ message: 'no space left', code: 'ENOSPC' });
    expect(error).toHaveProperty('stack', expect.stringContaining('calls-worker.ts'));
  });

  test('is also an argument or a result that cannot be sent, and fails no other call', async () => {
    const [argument, before, result, after] = await Promise.allSettled([
      samples.echo(() => 1),
      samples.echo('before'),
      samples.returnFunction(),
      samples.echo('after'),
    ]);
    expect([argument.status, result.status]).toEqual(['rejected', 'rejected']);
    expect([before, after]).toEqual([
      { status: 'fulfilled', value: 'before' },
      { status: 'fulfilled', value: 'after' },
    ]);
  });

  test('is a function that it does not offer', async () => {
    const { port1, port2 } = new MessageChannel();
    offer(port2, { known: async () => 1 });
    const wrong = remote<{ unknown: () => Promise<void> }>(port1, ['unknown']);
    await expect(wrong.unknown()).rejects.toThrow('the other thread offers no unknown');
    port1.close();
  });
});

test('calls and answers of one tick travel in one message each', async () => {
  const { port1, port2 } = new MessageChannel();
  const sizes: Record<'calls' | 'replies', number[]> = { calls: [], replies: [] };
  port1.addEventListener('message', (event) => sizes.replies.push(event.data.length));
  port2.addEventListener('message', (event) => sizes.calls.push(event.data.length));
  offer(port2, { double: async (value: number) => 2 * value });
  const { double } = remote<{ double: (value: number) => Promise<number> }>(port1, ['double']);
  expect(await Promise.all([1, 2, 3].map((value) => double(value)))).toEqual([2, 4, 6]);
  expect(await double(4)).toBe(8);
  expect(sizes).toEqual({ calls: [3, 1], replies: [3, 1] });
  port1.close();
});
