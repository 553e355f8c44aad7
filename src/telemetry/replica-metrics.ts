import { Counter, Gauge, type Registry as Metrics } from 'prom-client';

export interface ObservedReplica {
  /** Whether it has everything that the source had when it was last asked. */
  readonly isCurrent: () => boolean;
  readonly isConnected: () => boolean;
  /** Objects that logs link and that are not here because the source lacks them; undefined until it is known. */
  readonly missing: () => number | undefined;
  /** Seconds since it last had everything; undefined if it never had. */
  readonly age: () => number | undefined;
}

/** Counts what a replica copies. */
export interface ReplicaCounters {
  readonly slots: (slots: number, events: number) => void;
  readonly bytes: (bytes: number) => void;
  readonly missing: () => void;
  readonly refusedLists: () => void;
}

/** How far a replica is. There are no series without REPLICA_OF. */
export class ReplicaMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Registers the metrics. Only one thread of a process may do so. */
  observe({ isCurrent, isConnected, missing: countMissing, age }: ObservedReplica): ReplicaCounters {
    const registers = [this.#metrics];
    new Gauge({
      name: 'marina_replica_current',
      help: '1 if this replica has everything that its source had when it was last asked.',
      registers,
      collect() {
        this.set(isCurrent() ? 1 : 0);
      },
    });
    new Gauge({
      name: 'marina_replica_connected',
      help: '1 if the source of this replica answers, and is followed.',
      registers,
      collect() {
        this.set(isConnected() ? 1 : 0);
      },
    });
    new Gauge({
      name: 'marina_replica_age_seconds',
      help: 'Seconds since this replica last had everything that its source had; absent from the start until it has.',
      registers,
      collect() {
        const seconds = age();
        // A reset would report 0: that everything is here.
        if (seconds === undefined) this.remove();
        else this.set(seconds);
      },
    });
    new Gauge({
      name: 'marina_replica_missing_objects',
      help: 'Objects that logs link and that are not here, because the source lacks or has damaged them; absent until it is known.',
      registers,
      collect() {
        const objects = countMissing();
        if (objects === undefined) this.remove();
        else this.set(objects);
      },
    });
    const slots = new Counter({ name: 'marina_replica_slots_total', help: 'Slots that were copied.', registers });
    const changes = new Counter({
      name: 'marina_replica_changes_total',
      help: 'Events in the slots that were copied.',
      registers,
    });
    const bytes = new Counter({ name: 'marina_replica_bytes_total', help: 'Bytes that were copied.', registers });
    const missing = new Counter({
      name: 'marina_replica_missing_total',
      help: 'How often the source did not have an object that a slot names, or had it damaged.',
      registers,
    });
    const refusedLists = new Counter({
      name: 'marina_replica_refused_lists_total',
      help: 'How often nothing was deleted, because a list of deleted objects of the source named some that logs link here.',
      registers,
    });
    return {
      refusedLists: () => refusedLists.inc(),
      slots: (copied, events) => {
        slots.inc(copied);
        changes.inc(events);
      },
      bytes: (copied) => bytes.inc(copied),
      missing: () => missing.inc(),
    };
  }
}
