import { z } from 'zod';

const versioned = z.object({ v: z.int() });
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes the batch of a slot.
 * @param newest the newest version of batches that this process knows
 * @returns the batch, or the reason why this version cannot use these bytes
 */
export function decodeBatchOf<B>(
  bytes: Uint8Array,
  schema: z.ZodType<B>,
  newest: number,
): { readonly batch: B } | { readonly problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(UTF8.decode(bytes));
  } catch (error) {
    return { problem: `not JSON (${String(error)})` };
  }
  const version = versioned.safeParse(json);
  if (version.success && version.data.v > newest)
    return { problem: `version ${version.data.v}, this Marina knows ${newest}: use the newer version` };
  const parsed = schema.safeParse(json);
  if (parsed.success) return { batch: parsed.data };
  const issue = parsed.error.issues[0];
  return { problem: `${issue?.path.join('.') ?? 'batch'}: ${issue?.message ?? 'invalid'}` };
}
