import type { StoreReader } from '../../storage/driver.ts';
import type { ReportFinding, Tally } from './findings.ts';
import { FingerprintSet } from './fingerprint-set.ts';
import type { Progress } from './progress.ts';

/** One run of fsck: what every part of it works with. */
export interface Check {
  readonly reader: StoreReader;
  /** Whether the bytes of blobs are read and their digests computed. */
  readonly scrub: boolean;
  /** Milliseconds: bytes that were unlinked since may be linked again (GC_GRACE). */
  readonly keptSince: number;
  readonly report: ReportFinding;
  readonly tally: Tally;
  readonly progress: Progress;
  readonly seen: Seen;
}

/** What is remembered of the whole store; of everything else, one repository at a time is held. */
export class Seen {
  /** Incarnations that a log links. */
  readonly linked = new FingerprintSet();
  /** Incarnations that a log unlinked so lately that collection leaves them. */
  readonly kept = new FingerprintSet();
  /** Links of blobs, by linkText. */
  readonly links = new FingerprintSet();
  /** What was read and had its digest, by contentText. */
  readonly verified = new FingerprintSet();
  /** What was read and had another digest, by contentText; there should be few. */
  readonly damaged = new Map<string, string>();
}

export function linkText(repo: string, digest: string, link: { readonly inc: string; readonly size: number }): string {
  return `${repo} ${digest} ${link.inc} ${link.size}`;
}

export function contentText(digest: string, inc: string): string {
  return `${digest} ${inc}`;
}
