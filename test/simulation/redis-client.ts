import { type RedisCommands, RedisGone, type Reply, type Script } from '../../src/projection/redis/commands.ts';
import { ScriptFailed } from './lua.ts';
import type { Machine } from './machine.ts';
import type { NodeEnvironment } from './node.ts';
import type { RedisServer } from './redis.ts';

/** The deadline of src/projection/redis/connection.ts. */
const COMMAND_MS = 2_000;

/** One node's connection. Requests and answers may arrive late or never; the command then fails with RedisGone after a while. */
export class SimulatedRedis implements RedisCommands {
  readonly #machine: Machine;
  readonly #environment: NodeEnvironment;
  /** The time until it finds a new master, in milliseconds. */
  readonly #slowness: number;
  #server: RedisServer;

  constructor(machine: Machine, environment: NodeEnvironment, slowness: number) {
    this.#machine = machine;
    this.#environment = environment;
    this.#slowness = slowness;
    this.#server = environment.redis.master;
  }

  evaluate(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    const { scheduler } = this.#machine;
    const { redis, network, bug, happened } = this.#environment;
    const server = redis.found(this.#server, this.#slowness);
    this.#server = server;
    const way = network.toRedis();
    return new Promise((resolve, reject) => {
      const gone = (why: string): void => {
        reject(new RedisGone(`${script.name}: ${why}`));
      };
      const giveUp = scheduler.after(COMMAND_MS, () => gone('no answer'), this.#machine);
      const answer = (deliver: () => void): void => {
        if (way.back === undefined) return;
        scheduler.after(
          way.back,
          () => {
            giveUp();
            deliver();
          },
          this.#machine,
        );
      };
      if (way.there === undefined) return;
      scheduler.after(way.there, () => {
        try {
          const reply = server.run(bug.script?.(script) ?? script, keys, args);
          happened(script.name, this.#machine, keys[0]);
          answer(() => resolve(reply));
        } catch (error) {
          answer(() => (error instanceof ScriptFailed ? reject(error) : gone(String(error))));
        }
      });
    });
  }
}
