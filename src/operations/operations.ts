import type { Orderer } from '../access/admin/interface.ts';
import { HOLD_MS } from '../backup/hold-time.ts';
import { backupRuns } from '../backup/run-reports.ts';
import { type Hold, holdIds, readHold } from '../collection/holds.ts';
import { collectionReports } from '../collection/report.ts';
import { readSwitch, type WriteSwitch } from '../registry/write-switch.ts';
import { behindOf } from '../replica/behind.ts';
import type { ReplicationSource } from '../replica/interface.ts';
import { type Lag, lagOf } from '../replica/lag.ts';
import { readReplicaMark } from '../replica/mark.ts';
import { retentionReports } from '../retention/report.ts';
import type { StoreReader } from '../storage/driver.ts';
import { FORMAT } from '../storage/paths.ts';
import { within } from '../system/within.ts';
import type {
  HoldFacts,
  Operations,
  OperationsOrder,
  OperationsOverview,
  OrderOutcome,
  OwnerDesk,
  Part,
  ReplicaFacts,
  ServiceHealth,
  WriteFacts,
} from './interface.ts';
import { problemOf } from './problem.ts';

/** How long each part of an overview may take, in milliseconds. */
const PART_WITHIN_MS = 2_000;
/** Replicas that an overview has. */
const MAX_REPLICAS = 50;

export interface OperationsPorts {
  readonly owner: OwnerDesk;
  readonly reader: StoreReader;
  /** READ_ONLY. */
  readonly isReadOnly: boolean;
  readonly writes: Pick<WriteSwitch, 'state' | 'lookAgain'>;
  /** The registry that this store is a replica of, if REPLICA_OF is set. */
  readonly source: Pick<ReplicationSource, 'slots' | 'storeLog'> | undefined;
  /** Resolves once Redis has answered; undefined outside a cluster. @throws if it does not answer */
  readonly askRedis: (() => Promise<void>) | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** For the log. */
  readonly onOrder: (order: OperationsOrder, outcome: OrderOutcome, by: Orderer) => void;
}

/** What any thread of a process answers: what the store knows by itself, the rest through the owner. */
export class NodeOperations implements Operations {
  readonly #ports: OperationsPorts;

  constructor(ports: OperationsPorts) {
    this.#ports = ports;
  }

  async overview(): Promise<OperationsOverview> {
    const { owner, reader } = this.#ports;
    const [services, node, processes, writes, jobs, webhooks, replica, replicas, ...kept] = await Promise.all([
      this.#services(),
      partOf(owner.node()),
      partOf(owner.processes()),
      partOf(this.#writes()),
      partOf(owner.jobs()),
      partOf(owner.webhooks()),
      partOf(this.#replica()),
      partOf(this.#replicas()),
      partOf(collectionReports.last(reader)),
      partOf(retentionReports.last(reader)),
      partOf(this.#holds()),
      partOf(backupRuns.list(reader)),
    ]);
    const [collection, retention, holds, backups] = kept;
    return {
      ...{ node, processes, services, writes, jobs, webhooks, replica, replicas },
      ...{ collection, retention, holds, backups },
    };
  }

  async order(order: OperationsOrder, by: Orderer): Promise<OrderOutcome> {
    const { owner, writes, onOrder } = this.#ports;
    const outcome = await owner.order(order, by.actor.label);
    // Where threads share no memory, each reads the switch by itself.
    if (order.kind === 'read-only') await writes.lookAgain();
    onOrder(order, outcome, by);
    return outcome;
  }

  async #services(): Promise<readonly ServiceHealth[]> {
    const { reader, askRedis } = this.#ports;
    const store = healthOf('store', async () => {
      if ((await reader.read(FORMAT)) === undefined) throw new Error('the store has lost its object `format`');
    });
    return await Promise.all(askRedis === undefined ? [store] : [store, healthOf('redis', askRedis)]);
  }

  async #writes(): Promise<WriteFacts> {
    const { isReadOnly, writes, reader } = this.#ports;
    const on = await readSwitch(reader);
    const turned = { since: on?.since, by: on?.by };
    if (isReadOnly) return { ...turned, state: 'read-only' };
    if (writes.state === 'replica') return { ...turned, state: 'replica' };
    return { ...turned, state: on === undefined ? 'writable' : 'paused' };
  }

  async #replica(): Promise<Lag | undefined> {
    const { reader, source, now } = this.#ports;
    const mark = await readReplicaMark(reader);
    if (mark === undefined || source === undefined) return undefined;
    return await lagOf(reader, source, mark, now());
  }

  async #replicas(): Promise<readonly ReplicaFacts[]> {
    const { owner, reader } = this.#ports;
    const listed = (await owner.replicas()).slice(0, MAX_REPLICAS);
    if (listed.length === 0) return [];
    const behind = await behindOf(reader);
    return await Promise.all(
      listed.map(async ({ id, silentFor, about: { name, note, client } }) => ({
        ...{ id, name, client, silentFor, note },
        behind: await behind(note),
      })),
    );
  }

  async #holds(): Promise<readonly HoldFacts[]> {
    const { reader, now } = this.#ports;
    const at = now();
    const facts: HoldFacts[] = [];
    // One by one: each may name every repository.
    for (const id of await holdIds(reader)) {
      const hold = await readHold(reader, id);
      if (hold !== undefined && hold.until > at) facts.push(factsOf(hold));
    }
    return facts;
  }
}

function factsOf({ id, kind, name, moment, created, until, by, logs }: Hold): HoldFacts {
  const isBackup = kind === 'backup';
  const renewedAt = isBackup ? until - HOLD_MS : created;
  return { id, isBackup, name, moment, created, until, renewedAt, by, repositories: logs.size };
}

async function partOf<T>(work: Promise<T>): Promise<Part<T>> {
  try {
    const found = await within(
      PART_WITHIN_MS,
      work.then((value) => ({ value })),
    );
    if (found === undefined) return { kind: 'unknown', problem: `no answer within ${PART_WITHIN_MS / 1000} s` };
    return { kind: 'known', value: found.value };
  } catch (error) {
    return { kind: 'unknown', problem: problemOf(error) };
  }
}

async function healthOf(name: ServiceHealth['name'], ask: () => Promise<void>): Promise<ServiceHealth> {
  const begun = performance.now();
  const answered = await partOf(ask());
  return answered.kind === 'known'
    ? { name, milliseconds: performance.now() - begun, problem: undefined }
    : { name, milliseconds: undefined, problem: answered.problem };
}
