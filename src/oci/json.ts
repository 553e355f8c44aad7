const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses what a caller then checks with a schema.
 * @returns undefined if it is not JSON in UTF-8. No schema of an object accepts that, so such bytes fail like those of another form.
 */
export function jsonOf(text: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof text === 'string' ? text : utf8.decode(text));
  } catch {
    return undefined;
  }
}

/** Like `jsonOf`, for JSON that is compressed with zstd. */
export async function compressedJsonOf(bytes: Uint8Array): Promise<unknown> {
  try {
    return jsonOf(await Bun.zstdDecompress(bytes));
  } catch {
    return undefined;
  }
}
