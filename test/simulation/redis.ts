import type { Reply, Script } from '../../src/projection/redis/commands.ts';
import { LuaMachine } from './lua.ts';
import type { Random } from './random.ts';
import { callCommand, type Identity } from './redis-commands.ts';
import { Keyspace } from './redis-keyspace.ts';
import type { Scheduler } from './scheduler.ts';

/** `isolated`: a replica, or a master that its replica no longer follows. It refuses scripts. */
type Condition = 'up' | 'down' | 'isolated';

/** The number of recent states that a replica may have. */
const MAX_REPLICA_COPIES = 4;

/** Compiled scripts serve all simulations of this process. */
const machine = new LuaMachine();

/** A Redis server: it runs the scripts, one at a time. */
export class RedisServer {
  keyspace = new Keyspace();
  condition: Condition = 'up';
  identity: Identity;
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, identity: Identity) {
    this.#scheduler = scheduler;
    this.identity = identity;
  }

  /** @throws Error with the error of the server, or if there is none */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Reply {
    if (this.condition === 'down') throw new Error('ECONNREFUSED');
    if (this.condition === 'isolated') throw new Error('NOREPLICAS Not enough good replicas to write.');
    const server = { keyspace: this.keyspace, identity: this.identity, now: this.#scheduler.now };
    return machine.run(script, keys, args, (words) => callCommand(server, words));
  }
}

/** The Redis of a cluster: its current master. */
export class RedisGroup {
  readonly #scheduler: Scheduler;
  #servers = 0;
  #master: RedisServer;
  /** The scheduler's steps at which Redis lost data. */
  readonly losses: number[] = [];
  /** The data of lagging replicas, newest last. */
  readonly #behind: Keyspace[] = [new Keyspace()];
  /** When the master was promoted, in milliseconds. */
  #since = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.#master = this.#newServer();
  }

  get master(): RedisServer {
    return this.#master;
  }

  /** The server that a client is connected to. @param noticedAfter milliseconds until it notices a failover */
  found(before: RedisServer, noticedAfter: number): RedisServer {
    return this.#scheduler.now >= this.#since + noticedAfter ? this.#master : before;
  }

  /** From now on a replica may have this state. */
  replicate(): void {
    this.#behind.push(this.#master.keyspace.copy());
    if (this.#behind.length > MAX_REPLICA_COPIES) this.#behind.shift();
  }

  /** The data of a random, possibly old replica or dump. */
  old(random: Random): Keyspace {
    return random.pick([...this.#behind, this.#master.keyspace]).copy();
  }

  flush(): void {
    this.#lost();
    this.#master.keyspace.clear();
  }

  stop(): void {
    this.#master.condition = 'down';
  }

  /** Restarts the process. @param dump the data that it loads: everything, nothing, or an old dump */
  start(dump: Keyspace): void {
    this.#lost();
    this.#master.keyspace = dump;
    this.#master.identity = this.#newIdentity();
    this.#master.condition = 'up';
  }

  /** Promotes a replica. The old master already refuses scripts. @param copy the data of the replica */
  failOver(copy: Keyspace): void {
    this.#lost();
    this.#master.condition = 'isolated';
    this.#master = this.#newServer();
    this.#master.keyspace = copy;
    this.#since = this.#scheduler.now;
  }

  #lost(): void {
    this.losses.push(this.#scheduler.step);
  }

  #newServer(): RedisServer {
    return new RedisServer(this.#scheduler, this.#newIdentity());
  }

  #newIdentity(): Identity {
    const number = String(++this.#servers).padStart(8, '0');
    return { runId: `a${number}`, replid: `b${number}` };
  }
}
