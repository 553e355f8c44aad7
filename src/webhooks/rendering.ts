import type { Change } from '../feed/change.ts';
import type { RegistryAddress } from './formats/format.ts';
import { FORMATS } from './formats/formats.ts';
import { deliveryId } from './signed-headers.ts';
import { FORMAT_NAMES, type FormatName } from './webhook.ts';

/** What a delivery says, whichever webhook it is for. */
export interface Rendered {
  readonly body: string;
  /** As `deliveryId` has it. */
  readonly id: string;
}

interface Known extends Rendered {
  readonly changes: readonly Change[];
  readonly registry: RegistryAddress;
}

/** By format and first change. Webhooks that are up to date read the same pages, so they deliver the same objects. */
const known = new Map(FORMAT_NAMES.map((format) => [format, new WeakMap<Change, Known>()]));

/**
 * Renders changes once for all webhooks of a format that deliver them together.
 * @param changes of types that the format has a form for, at least one
 */
export function rendered(format: FormatName, changes: readonly Change[], registry: RegistryAddress): Rendered {
  const [first] = changes;
  const found = first && known.get(format)?.get(first);
  if (found?.registry === registry && isSame(found.changes, changes)) return found;
  const result = { changes, registry, body: FORMATS[format].render(changes, registry), id: deliveryId(changes) };
  if (first !== undefined) known.get(format)?.set(first, result);
  return result;
}

function isSame(some: readonly Change[], others: readonly Change[]): boolean {
  return some.length === others.length && some.every((change, place) => change === others[place]);
}
