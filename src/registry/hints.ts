import { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import {
  type Digest,
  type Incarnation,
  parseIncarnation,
  parseRepositoryName,
  type RepositoryName,
} from '../oci/names.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { hintKey } from '../storage/paths.ts';

/** Where a digest was last linked. It may be wrong or missing, so its user must check it. */
export interface Hint {
  readonly inc: Incarnation;
  readonly size: number;
  readonly repo: RepositoryName;
}

const hint = z.object({ inc: z.string(), size: z.int().nonnegative(), repo: z.string() });

/** undefined if there is no valid hint. One that cannot be decoded counts as missing. */
export async function readHint(driver: StoreReader, digest: Digest): Promise<Hint | undefined> {
  const bytes = await driver.read(hintKey(digest));
  if (bytes === undefined) return undefined;
  const parsed = hint.safeParse(jsonOf(bytes));
  if (!parsed.success) return undefined;
  const inc = parseIncarnation(parsed.data.inc);
  const repo = parseRepositoryName(parsed.data.repo);
  return inc === undefined || repo === undefined ? undefined : { inc, repo, size: parsed.data.size };
}

export async function writeHint(driver: Pick<ObjectStore, 'put'>, digest: Digest, value: Hint): Promise<void> {
  await driver.put(hintKey(digest), new TextEncoder().encode(JSON.stringify(value)), { durable: false });
}
