import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { decodeRecords, type WalRecord } from '../../../src/storage/filesystem/wal/record.ts';
import type { Random } from '../../support/drill/random.ts';

/**
 * kill -9 keeps the page cache. This simulates a power cut on the folder of a dead server: of each object whose bytes only the
 * write-ahead log guarantees, it removes the file, its end or nothing. It also brings back removed files.
 * @returns the number of affected objects
 */
export function cutPower(root: string, random: Random): number {
  const folder = join(root, 'wal');
  if (!existsSync(folder)) return 0;
  const latest = new Map<string, WalRecord>();
  let affected = 0;
  for (const name of readdirSync(folder).sort()) {
    for (const record of decodeRecords(readFileSync(join(folder, name)))) {
      const before = latest.get(record.key);
      if (record.kind === 'removed' && before?.kind === 'object') bringBack(join(root, record.key), before.bytes);
      latest.set(record.key, record);
    }
  }
  for (const { kind, key } of latest.values()) {
    const path = join(root, key);
    if (kind === 'removed' || !existsSync(path)) continue;
    const fate = random.between(0, 2);
    if (fate === 0) continue;
    affected++;
    if (fate === 1) rmSync(path);
    else truncateSync(path, random.between(0, statSync(path).size));
  }
  return affected;
}

function bringBack(path: string, bytes: Uint8Array): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}
