/** The address of Redis, parsed from REDIS_URL. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** The servers; for a Sentinel group its Sentinels. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Credentials of the Sentinels, if they differ. */
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  /** Always 0 in a Cluster. */
  readonly db: number;
  /** The Sentinels' name of the master; empty for the other kinds. */
  readonly master: string;
}

const DEFAULT_PORT = { single: 6379, sentinel: 26379, cluster: 6379 } as const;
const SHAPE =
  /^(?<scheme>rediss?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^/?@]+)(?:\/(?<path>[^?/]*))?(?:\?(?<query>.*))?$/;
const HOST = /^(?<host>\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(?<port>\d{1,5}))?$/;

/** For error messages. */
export const REDIS_URL_FORMS =
  'redis://[user:password@]host[:port][/db], redis+sentinel://…host:port,host:port/master[?db=0] or ' +
  'redis+cluster://…host:port,host:port (rediss… for TLS)';

/** undefined if the text has none of the forms. */
export function parseRedisUrl(text: string): RedisAddress | undefined {
  const groups = SHAPE.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const kind = (groups.kind ?? 'single') as RedisAddress['kind'];
  const hosts = (groups.hosts ?? '').split(',').map((each) => parseHost(each, DEFAULT_PORT[kind]));
  const named = hosts.filter((each) => each !== undefined);
  const query = new URLSearchParams(groups.query ?? '');
  const path = groups.path ?? '';
  const db = Number((kind === 'single' ? path : query.get('db')) || '0');
  const isWrong =
    named.length !== hosts.length ||
    (kind === 'single' && hosts.length > 1) ||
    (kind === 'sentinel') !== (kind !== 'single' && path !== '') ||
    (kind === 'cluster' && db !== 0) ||
    !(Number.isInteger(db) && db >= 0) ||
    [...query.keys()].some((each) => !['db', 'sentinelUsername', 'sentinelPassword'].includes(each));
  if (isWrong) return undefined;
  return {
    kind,
    hosts: named,
    tls: groups.scheme === 'rediss',
    db,
    master: kind === 'sentinel' ? decode(path) : '',
    ...optional('username', decode(groups.user ?? '')),
    ...optional('password', decode(groups.password ?? '')),
    ...optional('sentinelUsername', query.get('sentinelUsername') ?? ''),
    ...optional('sentinelPassword', query.get('sentinelPassword') ?? ''),
  };
}

/** For logs: without passwords. */
export function describeAddress({ kind, hosts, tls, master }: RedisAddress): string {
  const places = hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  const scheme = (tls ? 'rediss' : 'redis') + (kind === 'single' ? '' : `+${kind}`);
  return `${scheme}://${places}${master === '' ? '' : `/${master}`}`;
}

function parseHost(text: string, fallback: number): RedisAddress['hosts'][number] | undefined {
  const { host, port = String(fallback) } = HOST.exec(text)?.groups ?? {};
  const number = Number(port);
  if (host === undefined || number < 1 || number > 65_535) return undefined;
  return { host: host.replace(/^\[|\]$/g, ''), port: number };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone percent sign in a password is taken literally.
    return text;
  }
}

function optional<K extends string>(key: K, value: string): Partial<Record<K, string>> {
  return value === '' ? {} : ({ [key]: value } as Record<K, string>);
}
