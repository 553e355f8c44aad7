import type { CollectionPorts } from '../../../src/collection/ports.ts';
import { MemoryArchive } from '../../support/memory-archive.ts';
import type { Bug } from '../bugs.ts';
import type { Machine } from '../machine.ts';
import type { SimulatedNode } from '../node.ts';
import type { Setting } from '../setting.ts';
import { type Content, MANIFESTS, type ManifestContent } from '../vocabulary.ts';
import { type TimedOutcome, World, type WorldOptions } from '../world.ts';
import type { Plan } from './plan.ts';
import { Truth } from './truth.ts';

/** A deliberate bug, and the settings that reveal it soonest. */
export interface CollectionBug extends Bug {
  /** Replaces some of the collector's ports. */
  readonly collector?: (ports: CollectorPorts, world: CollectionWorld) => Partial<CollectorPorts>;
  /** Who creates a pin does not wait for the end of earlier rounds. */
  readonly hasHastyPins?: boolean;
  /** Backups create holds and do not renew them. */
  readonly forgetsHolds?: boolean;
  readonly setting?: Partial<Setting>;
  readonly plan?: Partial<Plan>;
}

export type CollectorPorts = Pick<CollectionPorts, 'driver' | 'resident'>;

/** A cluster with garbage collection. */
export class CollectionWorld extends World {
  declare readonly bug: CollectionBug;
  readonly truth: Truth;
  /** The few blobs that clients push, so that they often concern the same ones. */
  readonly manifests: readonly ManifestContent[];
  readonly blobs: readonly Content[];
  /** Work that takes hours; it is awaited only at the end. */
  readonly lasting: Promise<unknown>[] = [];
  /** The place of all backups, and how many whole ones were made. */
  readonly archive = new MemoryArchive();
  backedUp = 0;

  constructor(beginning: WorldOptions & { readonly bug: CollectionBug }) {
    const begun: Truth[] = [];
    super({
      ...beginning,
      observe: (ground) => {
        const truth = new Truth(ground);
        begun.push(truth);
        return truth.observe;
      },
    });
    const [truth] = begun;
    if (truth === undefined) throw new Error('the world has no observer');
    this.truth = truth;
    const { random } = beginning;
    const [only, other] = [random.pick(MANIFESTS), random.pick(MANIFESTS)];
    this.manifests = [only, other];
    this.blobs = [...only.blobs, ...only.blobs, ...other.blobs];
  }

  isWorker(machine: Machine): boolean {
    return this.workers.some((worker) => worker.machine === machine);
  }

  /** Acts on the next wanted process that reaches the step. */
  reached(step: string, isWanted: (machine: Machine) => boolean, act: (machine: Machine) => void): void {
    this.watch(step, 1, (machine) => {
      if (isWanted(machine)) act(machine);
      else this.reached(step, isWanted, act);
    });
  }

  /** A node for a request: mostly one that responds. */
  override request<T>(
    what: string,
    work: (node: SimulatedNode) => Promise<T>,
    at = this.random.chance(0.9) ? this.freeNode() : undefined,
  ): Promise<TimedOutcome<T>> {
    return super.request(what, work, at);
  }

  /** A node that does not hang, if there is one. */
  freeNode(): SimulatedNode {
    const free = this.nodes.filter(({ machine }) => !machine.isHanging && !machine.isDead);
    return this.random.pick(free.length > 0 ? free : this.nodes);
  }

  wakeAll(): void {
    for (const { machine } of [...this.nodes, ...this.workers]) machine.wake();
  }
}
