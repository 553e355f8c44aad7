const MAX_PROBLEM = 300;

/** Why something is not known, in one line. Only administrators see it. */
export function problemOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s+/g, ' ').slice(0, MAX_PROBLEM).toWellFormed();
}
