import { expect, test } from 'bun:test';
import { freeBytes } from './free-bytes.ts';

test('bytes with memory of their own give it back, once or twice', () => {
  const bytes = new Uint8Array(1024).fill(1);
  const { buffer } = bytes;
  freeBytes(bytes);
  freeBytes(bytes);
  expect([bytes.length, buffer.byteLength]).toEqual([0, 0]);
});

test('bytes that share their memory stay', () => {
  const whole = new Uint8Array([1, 2, 3]);
  freeBytes(whole.subarray(1));
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  freeBytes(shared);
  expect([[...whole], shared.length]).toEqual([[1, 2, 3], 2]);
});

test('no bytes have nothing to give', () => {
  const none = new Uint8Array();
  freeBytes(none);
  freeBytes(none);
  expect(none.length).toBe(0);
});
