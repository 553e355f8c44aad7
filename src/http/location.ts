import type { HttpLimits } from './context.ts';

/** "Optionally, the location MAY be absolute …, or it MAY be relative": relative ones pass every proxy unharmed. */
export function location({ publicUrl }: HttpLimits, path: string): string {
  return publicUrl + path;
}
