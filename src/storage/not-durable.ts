import type { WrittenObject } from './driver.ts';

/** Objects did not become durable, so the one that refers to them was not created. */
export class NotDurable extends Error {
  override readonly name = 'NotDurable';
  /** Why, by object. */
  readonly reasons: ReadonlyMap<WrittenObject, unknown>;

  constructor(reasons: ReadonlyMap<WrittenObject, unknown>) {
    super('objects that another one refers to are not durable');
    this.reasons = reasons;
  }
}

/** Makes objects durable, and waits for all of them. @throws NotDurable */
export async function settleAll(objects: readonly WrittenObject[]): Promise<void> {
  if (objects.length === 0) return;
  const reasons = new Map<WrittenObject, unknown>();
  const outcomes = await Promise.allSettled(objects.map((object) => object.settle()));
  for (const [index, outcome] of outcomes.entries()) {
    const object = objects[index];
    if (object !== undefined && outcome.status === 'rejected') reasons.set(object, outcome.reason);
  }
  if (reasons.size > 0) throw new NotDurable(reasons);
}
