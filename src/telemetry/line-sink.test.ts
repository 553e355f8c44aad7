import { afterAll, describe, expect, test } from 'bun:test';
import { closeSync, constants, copyFileSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { removeFolder, temporaryFolder } from '../../test/support/server.ts';
import type { Shape } from './line-protocol.ts';
import { LineSink } from './line-sink.ts';
import { LineWriter } from './line-writer.ts';

const SMALL: Shape = { buffers: 4, bufferBytes: 16 * 1024 };
/** The default capacity of a pipe on Linux. */
const PIPE_BYTES = 64 * 1024;
const LAST_SEQUENCES = 2 ** 31 - 3;

const folder = temporaryFolder('lines');
let names = 0;

afterAll(() => removeFolder(folder));

/** The sinks of this number of threads, that write to one file. */
function openSinks(fd: number, threads: number, shape: Shape, first = 0): LineSink[] {
  return new LineWriter(fd, threads, shape, first).sinks.map((memory) => new LineSink(memory));
}

function openSink(fd: number, shape: Shape, first = 0): LineSink {
  const [sink] = openSinks(fd, 1, shape, first);
  if (sink === undefined) throw new Error('there is no sink');
  return sink;
}

function freshPath(): string {
  return join(folder, String(names++));
}

/** A pipe without a reader. */
function openPipe(): { path: string; fd: number } {
  const path = freshPath();
  expect(Bun.spawnSync(['mkfifo', path]).exitCode).toBe(0);
  // Opened for reading, too. Otherwise opening would wait for a reader, and writing would fail when the last one closes.
  return { path, fd: openSync(path, 'r+') };
}

/** Reads exactly this number of bytes. */
function drain(fd: number, bytes: number): string {
  const all = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; ) at += readSync(fd, all, at, bytes - at, null);
  return all.toString();
}

/** Reads what a pipe has, without waiting for more. */
function available(fd: number, least: number, most = Number.POSITIVE_INFINITY): string {
  const piece = Buffer.alloc(Math.min(PIPE_BYTES, most));
  let text = '';
  for (let tries = 0; tries < 500 && text.length < most; tries++) {
    try {
      text += piece.toString('utf8', 0, readSync(fd, piece));
    } catch {
      if (text.length >= least) break;
      Bun.sleepSync(5);
    }
  }
  return text;
}

function numbered(index: number, length: number): string {
  return `${`${index} `.padEnd(length - 1, '.')}\n`;
}

describe('the lines of a log', () => {
  const shapes: Shape[] = [
    { buffers: 64, bufferBytes: 256 * 1024 },
    SMALL,
    { buffers: 2, bufferBytes: 100 },
    { buffers: 1, bufferBytes: 5 },
  ];
  for (const shape of shapes) {
    test(`arrive unchanged, with any length and characters, over ${shape.buffers} buffers of ${shape.bufferBytes} bytes`, () => {
      const path = freshPath();
      const fd = openSync(path, 'w');
      const sink = openSink(fd, shape, LAST_SEQUENCES);
      const line = fc.tuple(
        fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\ud800', '"') }),
        fc.oneof(
          { weight: 9, arbitrary: fc.constant(1) },
          { weight: 1, arbitrary: fc.integer({ min: 1, max: Math.ceil(shape.bufferBytes / 4) }) },
        ),
        fc.nat({ max: 40 }),
      );
      let expected = '';
      for (const [text, times, flush] of fc.sample(line, 1_000)) {
        const written = `${text.repeat(times)}\n`;
        sink.write(written);
        expected += written;
        if (flush === 0) {
          sink.flushSync();
          expect(readFileSync(path).length).toBe(Buffer.byteLength(expected));
        }
      }
      sink.flushSync();
      closeSync(fd);
      expect(Buffer.compare(readFileSync(path), Buffer.from(expected))).toBe(0);
    });
  }

  test('stay whole if other processes write to the same file', () => {
    const path = freshPath();
    writeFileSync(path, '');
    const sinks = [0, 1].map(() => openSink(openSync(path, 'a'), SMALL));
    for (let index = 0; index < 40_000; index++)
      sinks[index % 2]?.write(`${JSON.stringify({ index, text: 'é'.repeat(index % 97) })}\n`);
    for (const sink of sinks) sink.flushSync();
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => Number(JSON.parse(line).index));
    for (const rest of [0, 1]) {
      expect(lines.filter((index) => index % 2 === rest)).toEqual(
        Array.from({ length: 20_000 }, (_, n) => 2 * n + rest),
      );
    }
  });

  test('of several threads keep their order, and stay whole even if they are longer than a buffer', async () => {
    const path = freshPath();
    const fd = openSync(path, 'w');
    const threads = 3;
    const sinks = openSinks(fd, threads, { buffers: 16, bufferBytes: 1_000 });
    const count = 3_000;
    for (let index = 0; index < count; index++) {
      const length = index % 50 === 0 ? 2_500 : 40;
      sinks[index % threads]?.write(numbered(index, length));
      // Sometimes what is in memory is flushed.
      if (index % 500 === 0) await Bun.sleep(150);
    }
    for (const sink of sinks) sink.flushSync();
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    for (let thread = 0; thread < threads; thread++) {
      const own = lines.map((line) => Number.parseInt(line, 10)).filter((index) => index % threads === thread);
      expect(own).toEqual(Array.from({ length: count / threads }, (_, index) => index * threads + thread));
    }
    expect(lines.filter((line) => !/^\d+ \.+$/.test(line))).toEqual([]);
    closeSync(fd);
  });

  test('wait for a slow reader when there is no memory left for them', async () => {
    const { path, fd } = openPipe();
    const sink = openSink(fd, SMALL);
    const count = 600;
    // The reader writes to a file, because this thread is blocked and could not receive the lines.
    const taken = freshPath();
    const begun = performance.now();
    const reader = Bun.spawn(['sh', '-c', 'sleep 0.5; head -c "$2" "$0" > "$1"', path, taken, String(count * 1_000)]);
    for (let index = 0; index < count; index++) sink.write(numbered(index, 1_000));
    expect(performance.now() - begun).toBeGreaterThan(400);
    sink.flushSync();
    const expected = Array.from({ length: count }, (_, index) => numbered(index, 1_000)).join('');
    expect(await reader.exited).toBe(0);
    expect(readFileSync(taken, 'utf8')).toBe(expected);
    closeSync(fd);
  });

  test('do not block the process while they fit into memory, even without a reader', async () => {
    const { fd } = openPipe();
    const sink = openSink(fd, SMALL);
    let expected = '';
    const write = (line: string): void => {
      expected += line;
      sink.write(line);
    };
    for (let index = 0; index < 80; index++) write(numbered(index, PIPE_BYTES / 64));
    // This takes more flushes than there are buffers.
    for (let index = 0; index < 10; index++) {
      await Bun.sleep(120);
      const begun = performance.now();
      write(numbered(index, 100));
      expect(performance.now() - begun).toBeLessThan(100);
    }
    // The last batch arrives after the reader has read the rest.
    const first = drain(fd, PIPE_BYTES);
    sink.flushSync();
    expect(first + drain(fd, expected.length - PIPE_BYTES)).toBe(expected);
    closeSync(fd);
  });

  test('delay the end of the process until they are written, but not for ever', () => {
    const { fd } = openPipe();
    const sink = openSink(fd, SMALL);
    // The pipe and the memory are full, and some lines wait for room in it.
    const line = numbered(0, 1_024);
    const held = Math.floor((PIPE_BYTES + SMALL.buffers * SMALL.bufferBytes) / line.length);
    for (let index = 0; index < held + 4; index++) sink.write(line);
    const begun = performance.now();
    sink.flushSync();
    const waited = performance.now() - begun;
    expect(waited).toBeGreaterThan(4_900);
    expect(waited).toBeLessThan(30_000);
    // The writing thread still continues.
    expect(drain(fd, PIPE_BYTES)).toBe(line.repeat(PIPE_BYTES / line.length));
    sink.flushSync();
    expect(drain(fd, PIPE_BYTES)).toBe(line.repeat(PIPE_BYTES / line.length));
    closeSync(fd);
  });

  test('arrive again when there is another reader', () => {
    const path = freshPath();
    expect(Bun.spawnSync(['mkfifo', path]).exitCode).toBe(0);
    const openReader = (): number => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const first = openReader();
    const fd = openSync(path, 'w');
    const sink = openSink(fd, SMALL);
    // This is more than the pipe holds, so the reader closes in the middle of a line.
    const line = numbered(0, 1_001);
    for (let index = 0; index < PIPE_BYTES / 1_000 + 20; index++) sink.write(line);
    expect(available(first, 1, 100)).toStartWith('0 ..');
    Bun.sleepSync(50);
    closeSync(first);
    sink.flushSync();
    const second = openReader();
    const left = available(second, 0);
    const later = numbered(1, 100);
    sink.write(later);
    sink.flushSync();
    expect(left + available(second, later.length)).toEndWith(`.\n${later}`);
    closeSync(second);
    closeSync(fd);
  });

  test('that can never be written end the process instead of blocking it', async () => {
    const place = temporaryFolder('lines-without-thread');
    for (const name of ['line-writer.ts', 'line-sink.ts', 'line-protocol.ts'])
      copyFileSync(join(import.meta.dir, name), join(place, name));
    const script = `const { sinks: [memory] } = new (await import('./line-writer.ts')).LineWriter(1);
      new (await import('./line-sink.ts')).LineSink(memory).write('lost\\n'); setTimeout(() => {}, 10_000);`;
    const held = Bun.spawn([process.execPath, '--eval', script], { cwd: place, stderr: 'pipe' });
    expect(await held.exited).toBe(1);
    expect(await new Response(held.stderr).text()).toContain('the thread that writes the log ended');
    removeFolder(place);
  });
});
