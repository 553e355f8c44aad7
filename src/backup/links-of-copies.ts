import { decodeBatch } from '../journal/events.ts';
import type { Digest } from '../oci/names.ts';
import type { Archive } from '../storage/archive.ts';
import { Links } from './links.ts';
import { LogReader } from './log-reader.ts';
import { brokenSlot, type Log, labelOf } from './logs.ts';
import { type LogCopy, logsOf, type Manifest } from './manifest.ts';

interface Copy {
  readonly log: Log;
  readonly copy: LogCopy;
  readonly manifest: Manifest;
}

/**
 * The digests of everything that the logs of these backups link, each as of its backup; some of them repeatedly. A log that is in many
 * backups is read once, as far as they have the same history of it.
 * @throws RegistryError `log-broken`; BackupRefused if a pack cannot be read
 */
export async function* linksOfCopies(
  archive: Archive,
  manifests: readonly Manifest[],
  signal: AbortSignal,
): AsyncGenerator<Digest> {
  const byLog = new Map<string, Map<string, Copy>>();
  for (const manifest of manifests) {
    for (const [log, copy] of logsOf(manifest)) {
      if (log.kind !== 'repository') continue;
      const label = labelOf(log);
      const copies = byLog.get(label) ?? new Map<string, Copy>();
      byLog.set(label, copies.set(copy.hash, { log, copy, manifest }));
    }
  }
  for (const copies of byLog.values()) {
    while (copies.size > 0) {
      signal.throwIfAborted();
      yield* linksAlong(archive, copies);
    }
  }
}

/** Reads the longest copy of a log, and takes out of `copies` all whose last slots are in it. */
async function* linksAlong(archive: Archive, copies: Map<string, Copy>): AsyncGenerator<Digest> {
  let longest: Copy | undefined;
  for (const each of copies.values()) if (longest === undefined || each.copy.seq > longest.copy.seq) longest = each;
  if (longest === undefined) return;
  const { log, copy, manifest } = longest;
  const links = new Links();
  for await (const { seq, bytes, hash } of new LogReader(archive, manifest).slots(log, copy)) {
    const decoded = decodeBatch(bytes);
    if ('problem' in decoded) throw brokenSlot(log, seq, decoded.problem);
    links.apply(decoded.batch.events);
    if (copies.delete(hash)) for (const { digest } of links) yield digest;
  }
}
