import type { Reply } from '../../src/projection/redis/commands.ts';
import type { Keyspace } from './redis-keyspace.ts';

/** The identity of a server in INFO. */
export interface Identity {
  readonly runId: string;
  readonly replid: string;
}

interface Server {
  readonly keyspace: Keyspace;
  readonly identity: Identity;
  /** Milliseconds. */
  readonly now: number;
}

type Command = (server: Server, words: readonly string[]) => Reply;

/** The commands that the scripts use, as Redis answers a script. */
const COMMANDS: Readonly<Record<string, Command>> = {
  INFO: ({ identity }, sections) => {
    const all = {
      server: `# Server\r\nredis_version:7.0.15\r\nrun_id:${identity.runId}\r\n`,
      replication: `# Replication\r\nrole:master\r\nmaster_replid:${identity.replid}\r\nmaster_replid2:0\r\n`,
    };
    const wanted = sections.length === 0 ? Object.keys(all) : sections;
    return Object.entries(all)
      .filter(([name]) => wanted.includes(name))
      .map(([, text]) => text)
      .join('\r\n');
  },
  EXISTS: ({ keyspace, now }, keys) => keys.filter((key) => keyspace.has(key, now)).length,
  DEL: ({ keyspace, now }, keys) => keys.filter((key) => keyspace.delete(key, now)).length,
  UNLINK: ({ keyspace, now }, keys) => keys.filter((key) => keyspace.delete(key, now)).length,
  GET: ({ keyspace, now }, [key = '']) => keyspace.string(key, now),
  SET: ({ keyspace, now }, [key = '', text = '', option, milliseconds]) => {
    if (option !== undefined && option !== 'PX') throw new Error('ERR syntax error');
    keyspace.set(key, text, option === undefined ? undefined : now + whole(milliseconds));
    return 'OK';
  },
  EXPIRE: ({ keyspace, now }, [key = '', seconds]) => Number(keyspace.expire(key, now + 1000 * whole(seconds), now)),
  PTTL: ({ keyspace, now }, [key = '']) => keyspace.left(key, now),
  PEXPIRE: ({ keyspace, now }, [key = '', ms]) => Number(keyspace.expire(key, now + whole(ms), now)),
  PERSIST: ({ keyspace, now }, [key = '']) => Number(keyspace.expire(key, undefined, now)),
  HGET: ({ keyspace, now }, [key = '', field = '']) => keyspace.hash(key, now).get(field) ?? null,
  HMGET: ({ keyspace, now }, [key = '', ...fields]) => {
    const hash = keyspace.hash(key, now);
    return fields.map((field) => hash.get(field) ?? null);
  },
  HEXISTS: ({ keyspace, now }, [key = '', field = '']) => Number(keyspace.hash(key, now).has(field)),
  HLEN: ({ keyspace, now }, [key = '']) => keyspace.hash(key, now).size,
  HRANDFIELD: ({ keyspace, now }, [key = '', count, option]) => {
    if (option !== 'WITHVALUES') throw new Error('ERR the simulation knows only WITHVALUES');
    return [...keyspace.hash(key, now)].slice(0, whole(count)).flat();
  },
  HSET: ({ keyspace, now }, [key = '', ...pairs]) => {
    if (pairs.length === 0 || pairs.length % 2 !== 0) throw new Error('ERR wrong number of arguments');
    let added = 0;
    for (let at = 0; at < pairs.length; at += 2) {
      added += Number(keyspace.setField(key, pairs[at] ?? '', pairs[at + 1] ?? '', now));
    }
    return added;
  },
  HDEL: ({ keyspace, now }, [key = '', ...fields]) =>
    fields.filter((field) => keyspace.deleteField(key, field, now)).length,
  ZADD: ({ keyspace, now }, [key = '', score, member = '']) =>
    Number(keyspace.addMember(key, member, Number(score), now)),
  ZREM: ({ keyspace, now }, [key = '', ...members]) =>
    members.filter((member) => keyspace.deleteMember(key, member, now)).length,
  ZRANGE: ({ keyspace, now }, [key = '', from, to, option]) => {
    const all = keyspace.members(key, now);
    const [first, last] = [from, to].map((each) => (whole(each) < 0 ? all.length + whole(each) : whole(each)));
    const some = all.slice(Math.max(0, first ?? 0), (last ?? 0) + 1);
    return option === undefined ? some : some.flatMap((each) => [each, String(keyspace.score(key, each, now))]);
  },
  ZRANGEBYLEX: ({ keyspace, now }, [key = '', from = '', to = '', ...limit]) =>
    limited(
      keyspace.members(key, now).filter((each) => isWithin(each, from, to)),
      limit,
    ),
  ZSCORE: ({ keyspace, now }, [key = '', member = '']) => {
    const score = keyspace.score(key, member, now);
    return score === undefined ? null : String(score);
  },
  ZLEXCOUNT: ({ keyspace, now }, [key = '', from = '', to = '']) =>
    keyspace.members(key, now).filter((each) => isWithin(each, from, to)).length,
  ZRANGEBYSCORE: ({ keyspace, now }, [key = '', from, to = '', ...limit]) => {
    if (from !== '-inf' || !to.startsWith('(')) throw new Error('ERR the simulation knows only scores below one');
    const below = Number(to.slice(1));
    return limited(
      keyspace.members(key, now).filter((each) => (keyspace.score(key, each, now) ?? 0) < below),
      limit,
    );
  },
};

export function callCommand(server: Server, [name = '', ...words]: readonly string[]): Reply {
  const command = COMMANDS[name];
  if (command === undefined) throw new Error(`ERR the simulation does not know ${name}`);
  return command(server, words);
}

function isWithin(member: string, from: string, to: string): boolean {
  return isAfter(member, from) && isUpTo(member, to);
}

function isAfter(member: string, from: string): boolean {
  if (from === '-') return true;
  return from.startsWith('[') ? member >= from.slice(1) : member > from.slice(1);
}

function isUpTo(member: string, to: string): boolean {
  if (to === '+') return true;
  return to.startsWith('[') ? member <= to.slice(1) : member < to.slice(1);
}

function limited(members: readonly string[], [word, offset, count]: readonly string[]): readonly string[] {
  if (word === undefined) return members;
  const from = whole(offset);
  return members.slice(from, whole(count) < 0 ? undefined : from + whole(count));
}

function whole(word: string | undefined): number {
  const value = Number(word);
  if (word === undefined || !Number.isInteger(value)) throw new Error('ERR value is not an integer or out of range');
  return value;
}
