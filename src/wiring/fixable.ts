/** Errors that the operator can fix, by name: in another thread of the process an error keeps its name, not its class. */
const FIXABLE = ['ConfigError', 'StoreRefused', 'RedisRefused'];

/** Ends a process that cannot start: with one line if the operator can fix the reason, otherwise with the stack of a defect. */
export function exitUnstarted(error: unknown): never {
  console.error(error instanceof Error && FIXABLE.includes(error.name) ? `marina: ${error.message}` : error);
  process.exit(1);
}
