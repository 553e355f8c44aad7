// The trace checker on small traces written by hand: the order in which calls begin and return matters.
import { describe, expect, test } from 'bun:test';
import { checkTrace } from './checker.ts';
import { parseTrace } from './strace.ts';

const ROOT = '/d';
const CONNECTION = '8<TCP:[127.0.0.1:5000->127.0.0.1:40000]>';
const RECEIVED = `1 recvfrom(${CONNECTION}, "PUT /v2/a/manifests/b HTTP/1.1\\r\\nHost: x", 524288, MSG_DONTWAIT, NULL, NULL) = 40`;
const ANSWERED = `1 sendto(${CONNECTION}, "HTTP/1.1 201 Created\\r\\n"..., 200, MSG_DONTWAIT, NULL, 0) = 200`;

const CREATED = '1 openat(AT_FDCWD</>, "/d/tmp/x", O_WRONLY|O_CREAT|O_EXCL, 0666) = 9</d/tmp/x>';
const WRITTEN = '1 write(9</d/tmp/x>, "{\\"a\\":\\"> = 7 <unfinished\\"}", 20) = 20';
const SYNCED = '2 fsync(9</d/tmp/x>) = 0';
const LINKED = '1 link("/d/tmp/x", "/d/repos/a/_log/1") = 0';
const UNLINKED = '1 unlink("/d/tmp/x") = 0';
const FOLDER_SYNCED = '3 fsync(10</d/repos/a/_log>) = 0';

function faultsOf(...lines: readonly string[]): string[] {
  return checkTrace(parseTrace(lines.join('\n')), ROOT).faults;
}

test('the correct order passes', () => {
  expect(
    faultsOf(RECEIVED, CREATED, WRITTEN, SYNCED, LINKED, UNLINKED, FOLDER_SYNCED, ANSWERED, '1 +++ exited with 0 +++'),
  ).toEqual([]);
});

test('a call that is cut off before its name did nothing', () => {
  const nameless = '2 ???( <unfinished ...>';
  const gone = '2 +++ exited with 0 +++';
  expect(faultsOf(RECEIVED, CREATED, WRITTEN, SYNCED, LINKED, FOLDER_SYNCED, ANSWERED, nameless, gone)).toEqual([]);
  for (const resumed of [
    '<... ??? resumed>) = ?',
    '<... ??? resumed> <unfinished ...>) = ?',
    '???() = ? <unavailable>',
  ])
    expect(parseTrace([nameless, `2 ${resumed}`, gone, SYNCED].join('\n')), resumed).toHaveLength(1);
  expect(() => parseTrace([nameless, SYNCED].join('\n'))).toThrow('its process had ended');
});

describe('a fault is', () => {
  test('a response before the folder is synced', () => {
    expect(faultsOf(RECEIVED, CREATED, WRITTEN, SYNCED, LINKED, UNLINKED, ANSWERED, FOLDER_SYNCED)).toEqual([
      'PUT /v2/a/manifests/b was answered with 201, but the entry of /d/repos/a/_log/1 is not synced in its folder',
    ]);
  });

  test('a response while the folder is being synced', () => {
    const begun = '3 fsync(10</d/repos/a/_log> <unfinished ...>';
    const ended = '3 <... fsync resumed>) = 0';
    expect(faultsOf(RECEIVED, CREATED, WRITTEN, SYNCED, LINKED, UNLINKED, begun, ANSWERED, ended)).toHaveLength(1);
    expect(faultsOf(RECEIVED, CREATED, WRITTEN, SYNCED, LINKED, UNLINKED, begun, ended, ANSWERED)).toEqual([]);
  });

  test('a folder whose sync began before the name was created', () => {
    const begun = '3 fsync(10</d/repos/a/_log> <unfinished ...>';
    const ended = '3 <... fsync resumed>) = 0';
    expect(faultsOf(RECEIVED, CREATED, WRITTEN, SYNCED, begun, LINKED, ended, UNLINKED, ANSWERED)).toHaveLength(1);
  });

  test('a name before its bytes are synced, even if they are synced before the response', () => {
    const late = '2 fsync(9</d/repos/a/_log/1>) = 0';
    expect(faultsOf(RECEIVED, CREATED, WRITTEN, LINKED, UNLINKED, late, FOLDER_SYNCED, ANSWERED)).toEqual([
      'link to /d/repos/a/_log/1 before the bytes of /d/tmp/x were synced',
    ]);
  });

  test('bytes that were still being written when their sync began', () => {
    const begun = '1 pwrite64(9</d/tmp/x>, "more", 4, 20 <unfinished ...>';
    const ended = '1 <... pwrite64 resumed>) = 4';
    expect(faultsOf(RECEIVED, CREATED, begun, SYNCED, ended, LINKED, FOLDER_SYNCED, ANSWERED)).toHaveLength(2);
  });

  test('a sync that failed', () => {
    const failed = '2 fsync(9</d/tmp/x>) = -1 EIO (Input/output error)';
    expect(faultsOf(RECEIVED, CREATED, WRITTEN, failed, LINKED, FOLDER_SYNCED, ANSWERED)).toHaveLength(2);
  });

  test('a new parent folder that is not synced in its own parent', () => {
    const made = ['1 mkdir("/d/repos", 0777) = 0', '1 mkdir("/d/repos/a", 0777) = 0'];
    const rest = [CREATED, WRITTEN, SYNCED, LINKED, UNLINKED, FOLDER_SYNCED, ANSWERED];
    const faults = faultsOf(RECEIVED, ...made, '4 fsync(11</d>) = 0', ...rest);
    expect(faults).toEqual([
      'PUT /v2/a/manifests/b was answered with 201, but the entry of the folder /d/repos/a is not synced in its parent',
    ]);
    expect(faultsOf(RECEIVED, ...made, '4 fsync(11</d>) = 0', '4 fdatasync(11</d/repos>) = 0', ...rest)).toEqual([]);
  });

  test('a slot that links bytes that are not durable yet', () => {
    const data = [
      '1 openat(AT_FDCWD</>, "/d/data/xx", O_WRONLY|O_CREAT|O_EXCL, 0666) = 12</d/data/xx>',
      '1 write(12</d/data/xx>, "bytes", 5) = 5',
      '2 fsync(12</d/data/xx>) = 0',
    ];
    const entry = '2 fsync(13</d/data>) = 0';
    const slot = [CREATED, WRITTEN, SYNCED, LINKED, UNLINKED, FOLDER_SYNCED];
    expect(faultsOf(RECEIVED, ...data, entry, ...slot, ANSWERED)).toEqual([]);
    expect(faultsOf(RECEIVED, ...data, ...slot, entry, ANSWERED)).toEqual([
      'link to /d/repos/a/_log/1 while the entry of /d/data/xx is not synced in its folder',
    ]);
  });
});

test('hints and files in tmp/ need no sync', () => {
  const hint = [
    '1 openat(AT_FDCWD</>, "/d/digests/sha256/ab", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 9</d/digests/sha256/ab>',
    '1 write(9</d/digests/sha256/ab>, "{}", 2) = 2',
  ];
  expect(faultsOf(RECEIVED, ...hint, CREATED, WRITTEN, ANSWERED)).toEqual([]);
});

test('an unknown line or call is an error, not skipped', () => {
  expect(() => parseTrace('nonsense')).toThrow('not a line');
  expect(() => parseTrace('1 fsync(9</d>')).toThrow('not a system call');
  expect(() => parseTrace('1 <... fsync resumed>) = 0')).toThrow('never began');
  expect(() => parseTrace('1 io_uring_enter(9, 1, 1, 0, NULL, 8) = 1')).toThrow('not handled');
});
