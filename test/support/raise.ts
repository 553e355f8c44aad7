/** For ports that report a failure, in tests where none may happen. */
export function raise(error: unknown): never {
  throw error;
}
