import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests, incarnations, repositoryNames, uploadIds } from '../../test/support/generators.ts';
import { digestFromHex } from '../oci/digest.ts';
import type { Incarnation, RepositoryName, UploadId } from '../oci/names.ts';
import * as paths from './paths.ts';
import {
  backupReportKey,
  CATALOG,
  COLLECTION_ANSWER,
  COLLECTION_REPORT,
  condemnedKey,
  DATA,
  dataKey,
  digestOfHintKey,
  EPOCHS,
  FORMAT,
  finalKey,
  hintKey,
  incarnationOfDataKey,
  isKey,
  logPrefix,
  markerKey,
  PULLS_BEGAN,
  pullsKey,
  RETENTION_ANSWER,
  RETENTION_EXPIRING,
  RETENTION_REPORT,
  repositoryOfLogKey,
  repositoryOfMarker,
  sessionKey,
  sessionSlotKey,
  slotKey,
  slotOfSnapshotKey,
  snapshotKey,
  snapshotPrefix,
  stagedKey,
  tailKey,
  UPLOADS,
  uploadPrefix,
} from './paths.ts';

const inc = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
const upload = '01234567-89ab-4cde-8f01-23456789abcd' as UploadId;
const repo = 'team/app' as RepositoryName;

test('the whole store, by example', () => {
  expect([
    dataKey(inc),
    slotKey(repo, 1),
    snapshotKey(repo, 1),
    markerKey(repo),
    hintKey(digestFromHex('sha512', `ab${'0'.repeat(126)}`)),
    sessionKey(upload),
    stagedKey(upload, inc),
    condemnedKey(inc),
  ]).toEqual([
    'data/AV/01ARZ3NDEKTSV4RRFFQ69G5FAV',
    'repos/team/app/_log/00000000000000000001',
    'repos/team/app/_snap/9007199254740990',
    'catalog/team+app',
    `digests/sha512/ab/ab${'0'.repeat(126)}`,
    `uploads/${upload}/session`,
    `uploads/${upload}/${inc}`,
    `gc/${inc}/condemned`,
  ]);
});

describe('keys', () => {
  test('of slots list in the order of slots, those of snapshots newest first', () => {
    const seqs = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(repositoryNames, seqs, seqs, (name, one, two) => {
        expect(slotKey(name, one) < slotKey(name, two)).toBe(one < two);
        expect(snapshotKey(name, one) < snapshotKey(name, two)).toBe(one > two);
        expect(slotKey(name, one)).toStartWith(logPrefix(name));
        expect(snapshotKey(name, one)).toStartWith(snapshotPrefix(name));
        expect(slotOfSnapshotKey(snapshotKey(name, one))).toBe(one);
        expect(slotOfSnapshotKey(slotKey(name, one))).toBeUndefined();
      }),
    );
  });

  test('of different things are different, and no thing is a folder of another', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(repositoryNames, { minLength: 2, maxLength: 4 }),
        digests,
        incarnations,
        uploadIds,
        (names, digest, id, session) => {
          const keys = [
            ...names.flatMap((name) => [slotKey(name, 1), slotKey(name, 2), snapshotKey(name, 1), markerKey(name)]),
            ...[dataKey(id), hintKey(digest), sessionKey(session), stagedKey(session, id), condemnedKey(id)],
          ];
          expect(new Set(keys).size).toBe(keys.length);
          for (const key of keys) expect(keys.filter((other) => other.startsWith(`${key}/`))).toEqual([]);
        },
      ),
    );
  });

  test('have no component that a file system could not hold, and none that leads elsewhere', () => {
    const longest = ['a'.repeat(255), `a/${'b'.repeat(253)}`].map((name) => name as RepositoryName);
    fc.assert(
      fc.property(
        fc.oneof(repositoryNames, fc.constantFrom(...longest)),
        digests,
        incarnations,
        uploadIds,
        (name, digest, id, session) => {
          const keys = [
            slotKey(name, 2 ** 53 - 1),
            snapshotKey(name, 1),
            markerKey(name),
            dataKey(id),
            hintKey(digest),
          ];
          for (const key of [...keys, stagedKey(session, id), sessionKey(session)]) {
            for (const part of key.split('/')) {
              expect(part.length).toBeLessThanOrEqual(255);
              expect(part).toMatch(/^[A-Za-z0-9_+.-]+$/);
              expect(part).not.toMatch(/^\.+$/);
            }
          }
        },
      ),
    );
  });

  test('of markers say which repository they mark, and no two repositories share one', () => {
    fc.assert(
      fc.property(repositoryNames, repositoryNames, (one, two) => {
        expect(repositoryOfMarker(markerKey(one))).toBe(one);
        expect(markerKey(one) === markerKey(two)).toBe(one === two);
      }),
    );
    for (const name of ['', '..', '+', 'A', '_x', '.DS_Store'])
      expect(repositoryOfMarker(CATALOG + name)).toBeUndefined();
  });

  test('of data say which incarnation they hold, if they are where it belongs', () => {
    fc.assert(fc.property(incarnations, (id) => expect(incarnationOfDataKey(dataKey(id))).toBe(id)));
    for (const key of [`${DATA}AA/${inc}`, `${DATA}${inc}`, `${DATA}AV/x`, `${dataKey(inc)}/x`, inc, `x/AV/${inc}`]) {
      expect(incarnationOfDataKey(key)).toBeUndefined();
    }
  });

  test('of slots, snapshots and hints say what they belong to, if they are where it belongs', () => {
    fc.assert(
      fc.property(repositoryNames, digests, fc.nat(), (name, digest, seq) => {
        expect(repositoryOfLogKey(slotKey(name, seq))).toBe(name);
        expect(repositoryOfLogKey(snapshotKey(name, seq))).toBe(name);
        expect(digestOfHintKey(hintKey(digest))).toBe(digest);
        expect(digestOfHintKey(`${hintKey(digest)}0`)).toBeUndefined();
        expect(digestOfHintKey(hintKey(digest).replace(/[/]..[/]/, '/zz/'))).toBeUndefined();
      }),
    );
    for (const foreign of ['repos/a/b', 'repos/A/_log/1', 'repos/_log/1', 'catalog/a', 'repos/a/_other/1']) {
      expect(repositoryOfLogKey(foreign)).toBeUndefined();
    }
  });

  test('lie below the prefixes that listings use', () => {
    expect(stagedKey(upload, inc)).toStartWith(uploadPrefix(upload));
    expect(sessionKey(upload)).toStartWith(uploadPrefix(upload));
    expect(uploadPrefix(upload)).toStartWith(UPLOADS);
    expect(condemnedKey(inc)).toStartWith(EPOCHS);
    for (const prefix of [DATA, CATALOG, UPLOADS, EPOCHS, logPrefix(repo), snapshotPrefix(repo)])
      expect(prefix).toEndWith('/');
  });
});

test('keys are told from other names, that of `..` above all', () => {
  fc.assert(
    fc.property(repositoryNames, digests, incarnations, uploadIds, (name, digest, id, session) => {
      const keys = [
        ...[
          FORMAT,
          PULLS_BEGAN,
          pullsKey(id),
          backupReportKey(id),
          COLLECTION_REPORT,
          COLLECTION_ANSWER,
          RETENTION_REPORT,
          RETENTION_ANSWER,
          RETENTION_EXPIRING,
        ],
        ...[dataKey(id), slotKey(name, 1), snapshotKey(name, 1), markerKey(name), hintKey(digest)],
        ...[sessionKey(session), sessionSlotKey(session, 1), stagedKey(session, id), tailKey(session, id)],
        ...[condemnedKey(id), finalKey(id), `tmp/proof-${id}`],
      ];
      expect(keys.filter((key) => !isKey(key))).toEqual([]);
    }),
  );
  // Whatever is added to the tree later.
  for (const [name, prefix] of Object.entries(paths)) {
    if (typeof prefix !== 'string') continue;
    expect([name, isKey(prefix.endsWith('/') ? `${prefix}a` : prefix)]).toEqual([name, true]);
  }
  const others = [
    '',
    '/',
    'lock',
    'wal/1',
    'data',
    'data/',
    '/data/a',
    'data//a',
    'data/./a',
    'data/../a',
    '../data/a',
  ];
  expect([...others, 'data/a\n', 'data/\0', `data/${'a'.repeat(256)}`, 'data/.hidden'].filter(isKey)).toEqual([]);
});
