import { algorithmOf, hexOf, parseDigest } from '../oci/digest.ts';
import type { Digest, Incarnation, RepositoryName, UploadId } from '../oci/names.ts';
import { parseIncarnation, parseRepositoryName } from '../oci/names.ts';
import type { Key } from './driver.ts';

/*
 * The whole store. Nothing else builds a key.
 *
 *   format                                  layout version and the store's ULID; an unknown version is refused
 *   data/<xx>/<ulid>                        blob and manifest bytes; xx = last two characters of the ulid
 *   repos/<name>/_log/<seq, 20 digits>      slots, from 1, never deleted; probed one after another
 *   repos/<name>/_snap/<2^53-1-seq, 16 d.>  zstd snapshots: the newest comes first in a listing
 *   catalog/<name with / as +>              marker, durable before slot 1, never deleted: the list of all logs
 *   digests/<algorithm>/<xx>/<hex>          hint: an incarnation of that digest and a repository that linked it
 *   uploads/<uuid>/…                        staged bytes and the record of the session
 *   gc/<epoch ulid>/condemned | final       one round of physical collection
 *   gc/hold/<ulid>                          what collections keep although nothing links it
 *   gc/report                               report of the last collection
 *   gc/answer                               report of the last collection that an operator requested
 *   retention/report | answer               the same for retention
 *   retention/expiring                      tags that retention will delete within a day
 *   retention/outlook                       what retention would delete, and what its rules keep (retention/stored-outlook.ts)
 *   backups/<ulid>                          report of one of the last backups, which are elsewhere (backup/run-reports.ts)
 *   robots/<seq, 20 digits>                 slots of the robots' log (access/robots/), as those of repositories
 *   robots/_snap/<2^53-1-seq, 16 d.>        snapshots of the robots: the newest comes first in a listing
 *   logins/ended/<expiry, 12 digits>-<ulid> a log-in at the page that ended before it expired
 *   notes/<seq, 20 digits>                  slots of the notes (feed/notes/): which logs have grown
 *   notes/_snap/<2^53-1-seq, 16 d.>         snapshots of the notes: the newest comes first in a listing
 *   webhooks/lease/<term, 20 digits>        which process delivers webhooks (webhooks/lease.ts); the highest term counts
 *   webhooks/state/<term, 20 digits>        how far each webhook got, stored by the holder of that term
 *   webhooks/order/<ulid>                   what an operator wants of a webhook, until it is carried out
 *   webhooks/report                         what all webhooks are doing, for metrics
 *   settings/read-only                      the operator's switch: while it exists, nothing is written
 *   settings/replica                        what a store made as a replica follows (replica/mark.ts)
 *   settings/promoted                       when such a store was promoted, and by whom; never changed
 *   settings/replica-missing                how many linked objects it lacks because its source does (replica/missing-report.ts)
 *   pulls/began                             since when pulls have been recorded
 *   pulls/times/<ulid>                      pulls of one node over a while, or several of these merged
 *   tmp/                                    filesystem only: not yet linked or renamed
 *   wal/<number>                            filesystem only: write-ahead log of small objects
 *
 * No component of a repository's name begins with `_`, so `_log` and `_snap` never clash with one.
 */

export const FORMAT: Key = 'format';
export const DATA: Key = 'data/';
export const REPOSITORIES: Key = 'repos/';
export const CATALOG: Key = 'catalog/';
export const HINTS: Key = 'digests/';
export const UPLOADS: Key = 'uploads/';
export const EPOCHS: Key = 'gc/';
export const ROBOTS: Key = 'robots/';
export const NOTES: Key = 'notes/';

/**
 * The top folders of the tree above that hold objects. Add new ones here: recovery of the write-ahead log refuses all
 * others.
 */
const TOPS: ReadonlySet<string> = new Set([
  ...[
    'data',
    'repos',
    'catalog',
    'digests',
    'uploads',
    'gc',
    'retention',
    'backups',
    'robots',
    'notes',
    'settings',
    'logins',
    'pulls',
    'webhooks',
    'tmp',
  ],
]);
/** No component begins with a dot, so `..` is none. */
const COMPONENT = /^[a-zA-Z0-9_][a-zA-Z0-9._+-]{0,254}$/;

/** Whether text from outside is a key of the tree above. */
export function isKey(text: string): text is Key {
  if (text === FORMAT) return true;
  const [top = '', ...rest] = text.split('/');
  return TOPS.has(top) && rest.length > 0 && rest.every((component) => COMPONENT.test(component));
}

/** Whether objects at such a key are only ever created: slots, snapshots, markers. They are neither put nor renamed into place. */
export function isCreatedOnce(key: Key): boolean {
  return [REPOSITORIES, CATALOG, ROBOTS, NOTES].some((prefix) => key.startsWith(prefix));
}

export function dataKey(inc: Incarnation): Key {
  return `data/${inc.slice(-2)}/${inc}`;
}

const ULID_DIGITS = [...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'];

/** Every `xx` that dataKey can give. */
export const SHELVES: readonly string[] = ULID_DIGITS.flatMap((first) => ULID_DIGITS.map((second) => first + second));

/** undefined for anything under data/ that is not an incarnation at its own key. */
export function incarnationOfDataKey(key: Key): Incarnation | undefined {
  const inc = parseIncarnation(key.slice(key.lastIndexOf('/') + 1));
  return inc !== undefined && dataKey(inc) === key ? inc : undefined;
}

export function slotKey(repo: RepositoryName, seq: number): Key {
  return `repos/${repo}/_log/${String(seq).padStart(20, '0')}`;
}

export function logPrefix(repo: RepositoryName): Key {
  return `repos/${repo}/_log/`;
}

export function snapshotKey(repo: RepositoryName, seq: number): Key {
  return `${snapshotPrefix(repo)}${String(Number.MAX_SAFE_INTEGER - seq).padStart(16, '0')}`;
}

export function snapshotPrefix(repo: RepositoryName): Key {
  return `repos/${repo}/_snap/`;
}

/** The slot that a snapshot was made at; undefined for anything else. */
export function slotOfSnapshotKey(key: Key): number | undefined {
  const [, digits] = /\/_snap\/(\d{16})$/.exec(key) ?? [];
  return digits === undefined ? undefined : Number.MAX_SAFE_INTEGER - Number(digits);
}

/** The repository whose log or snapshots a key under repos/ belongs to; undefined for anything else. */
export function repositoryOfLogKey(key: Key): RepositoryName | undefined {
  const [, name] = /^repos\/(.+)\/_(?:log|snap)\//.exec(key) ?? [];
  return name === undefined ? undefined : parseRepositoryName(name);
}

export function markerKey(repo: RepositoryName): Key {
  return `catalog/${repo.replaceAll('/', '+')}`;
}

export function repositoryOfMarker(key: Key): RepositoryName | undefined {
  return parseRepositoryName(key.slice(CATALOG.length).replaceAll('+', '/'));
}

export function hintKey(digest: Digest): Key {
  const hex = hexOf(digest);
  return `digests/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}`;
}

/** undefined for anything under digests/ that is not a hint at its own key. */
export function digestOfHintKey(key: Key): Digest | undefined {
  const [, algorithm = '', , hex = ''] = key.split('/');
  const digest = parseDigest(`${algorithm}:${hex}`);
  return digest !== undefined && hintKey(digest) === key ? digest : undefined;
}

export function sessionKey(upload: UploadId): Key {
  return `uploads/${upload}/session`;
}

/** The log of a session; the entry with the highest number is current. */
export function sessionSlotKey(upload: UploadId, seq: number): Key {
  return `${sessionLogPrefix(upload)}${String(seq).padStart(20, '0')}`;
}

export function sessionLogPrefix(upload: UploadId): Key {
  return `uploads/${upload}/state/`;
}

export function stagedKey(upload: UploadId, inc: Incarnation): Key {
  return `uploads/${upload}/${inc}`;
}

/** S3 only: the bytes of an upload after its last whole part. Each such object has a unique name. */
export function tailKey(upload: UploadId, id: string): Key {
  return `uploads/${upload}/tail-${id}`;
}

/** Whether this is a key that tailKey made for that upload. */
export function isTailKey(upload: UploadId, key: Key): boolean {
  const id = parseIncarnation(key.slice(-26));
  return id !== undefined && tailKey(upload, id) === key;
}

export function uploadPrefix(upload: UploadId): Key {
  return `uploads/${upload}/`;
}

export function condemnedKey(epoch: string): Key {
  return `gc/${epoch}/condemned`;
}

/** undefined for anything under gc/ that is not an epoch's list of condemned objects. */
export function epochOfCondemnedKey(key: Key): Incarnation | undefined {
  const epoch = parseIncarnation(key.split('/')[1] ?? '');
  return epoch !== undefined && condemnedKey(epoch) === key ? epoch : undefined;
}

export function finalKey(epoch: string): Key {
  return `gc/${epoch}/final`;
}

/** undefined for anything under gc/ that is not an epoch's list of deleted objects. */
export function epochOfFinalKey(key: Key): Incarnation | undefined {
  const epoch = parseIncarnation(key.split('/')[1] ?? '');
  return epoch !== undefined && finalKey(epoch) === key ? epoch : undefined;
}

/** What collections keep although nothing links it (collection/holds.ts). */
export const HOLDS: Key = 'gc/hold/';

export function holdKey(id: string): Key {
  return `${HOLDS}${id}`;
}

export function idOfHoldKey(key: Key): Incarnation | undefined {
  const id = parseIncarnation(key.slice(HOLDS.length));
  return id !== undefined && holdKey(id) === key ? id : undefined;
}

export function robotSlotKey(seq: number): Key {
  return `${ROBOTS}${String(seq).padStart(20, '0')}`;
}

export const ROBOT_SNAPSHOTS: Key = 'robots/_snap/';

export function robotSnapshotKey(seq: number): Key {
  return `${ROBOT_SNAPSHOTS}${String(Number.MAX_SAFE_INTEGER - seq).padStart(16, '0')}`;
}

/** The slot that a snapshot of the robots was made at; undefined for anything else. */
export function slotOfRobotSnapshotKey(key: Key): number | undefined {
  const seq = Number.MAX_SAFE_INTEGER - Number(key.slice(ROBOT_SNAPSHOTS.length));
  return seq >= 1 && robotSnapshotKey(seq) === key ? seq : undefined;
}

/** In the order in which the log-ins expire. */
export const ENDED_LOGINS: Key = 'logins/ended/';

/** @param expires seconds since 1970 @param id a ULID */
export function endedLoginKey(expires: number, id: string): Key {
  return `${ENDED_LOGINS}${String(expires).padStart(12, '0')}-${id}`;
}

/** Seconds since 1970; undefined for any other key. */
export function expiryOfEndedLoginKey(key: Key): number | undefined {
  const [, expires] = /^logins\/ended\/(\d{12})-[0-9A-Z]{26}$/.exec(key) ?? [];
  return expires === undefined ? undefined : Number(expires);
}

export function noteKey(seq: number): Key {
  return `${NOTES}${String(seq).padStart(20, '0')}`;
}

export const NOTE_SNAPSHOTS: Key = 'notes/_snap/';

export function noteSnapshotKey(seq: number): Key {
  return `${NOTE_SNAPSHOTS}${String(Number.MAX_SAFE_INTEGER - seq).padStart(16, '0')}`;
}

/** The note that a snapshot of the notes was made at; undefined for anything else. */
export function slotOfNoteSnapshotKey(key: Key): number | undefined {
  const seq = Number.MAX_SAFE_INTEGER - Number(key.slice(NOTE_SNAPSHOTS.length));
  return seq >= 1 && noteSnapshotKey(seq) === key ? seq : undefined;
}

export const WEBHOOK_LEASES: Key = 'webhooks/lease/';

export function webhookLeaseKey(term: number): Key {
  return `${WEBHOOK_LEASES}${String(term).padStart(20, '0')}`;
}

/** undefined for anything else under that prefix. */
export function termOfWebhookLease(key: Key): number | undefined {
  const term = Number(key.slice(WEBHOOK_LEASES.length));
  return term >= 1 && webhookLeaseKey(term) === key ? term : undefined;
}

export const WEBHOOK_STATES: Key = 'webhooks/state/';

export function webhookStatesKey(term: number): Key {
  return `${WEBHOOK_STATES}${String(term).padStart(20, '0')}`;
}

export const WEBHOOK_ORDERS: Key = 'webhooks/order/';

export function webhookOrderKey(id: string): Key {
  return `${WEBHOOK_ORDERS}${id}`;
}

export const WEBHOOKS_REPORT: Key = 'webhooks/report';

/** While this object exists the registry is read-only (registry/write-switch.ts). */
export const READ_ONLY_SWITCH: Key = 'settings/read-only';

/** Only of stores that were made as replicas (replica/mark.ts). */
export const REPLICA_MARK: Key = 'settings/replica';
export const PROMOTION: Key = 'settings/promoted';
/** Of the same stores; for people only (replica/missing-report.ts). */
export const REPLICA_MISSING: Key = 'settings/replica-missing';

export const PULLS_BEGAN: Key = 'pulls/began';
export const PULLS: Key = 'pulls/times/';

export function pullsKey(id: string): Key {
  return `${PULLS}${id}`;
}

/** The report of the last run of retention; for people and gauges only. */
export const RETENTION_REPORT: Key = 'retention/report';
export const RETENTION_ANSWER: Key = 'retention/answer';
/** Tags that retention will delete within a day, as of the last run. */
export const RETENTION_EXPIRING: Key = 'retention/expiring';

/** What retention would delete, and what its rules keep, for people. */
export const RETENTION_OUTLOOK: Key = 'retention/outlook';

/** Reports of the last backups; for people only. */
export const BACKUP_REPORTS: Key = 'backups/';

/** @param run ULID of the run that made the backup, or failed to */
export function backupReportKey(run: Incarnation): Key {
  return `${BACKUP_REPORTS}${run}`;
}

/** The report of the last collection; for people and gauges only. */
export const COLLECTION_REPORT: Key = 'gc/report';
export const COLLECTION_ANSWER: Key = 'gc/answer';
