import type { StoreReader } from '../../storage/driver.ts';
import { FingerprintSet } from '../../system/fingerprint-set.ts';
import type { ReportFinding, Tally } from './findings.ts';
import type { Progress } from './progress.ts';

/** The context that all parts of one run of fsck share. */
export interface Check {
  readonly reader: StoreReader;
  /** Whether the bytes of blobs are read and their digests computed. */
  readonly scrub: boolean;
  /** Milliseconds: objects unlinked since then can be restored (GC_GRACE). */
  readonly keptSince: number;
  readonly report: ReportFinding;
  readonly tally: Tally;
  readonly progress: Progress;
  readonly index: StoreIndex;
}

/** The data that is kept for the whole store. Everything else is held for one repository at a time. */
export class StoreIndex {
  /** Incarnations that a log links. */
  readonly linked = new FingerprintSet();
  /** Incarnations unlinked too recently to be collected. */
  readonly kept = new FingerprintSet();
  /** Links of blobs, by linkText. */
  readonly links = new FingerprintSet();
  /** Objects whose digest is correct, by contentText. */
  readonly verified = new FingerprintSet();
  /** The actual digests of objects whose digest is wrong, by contentText. There should be few. */
  readonly damaged = new Map<string, string>();
}

export function linkText(repo: string, digest: string, link: { readonly inc: string; readonly size: number }): string {
  return `${repo} ${digest} ${link.inc} ${link.size}`;
}

export function contentText(digest: string, inc: string): string {
  return `${digest} ${inc}`;
}
