import type { Caller } from '../../access/access.ts';
import type { SearchResult } from '../../overview/interface.ts';
import type { Sources } from './sources.ts';

export type JumpResult = Pick<SearchResult, 'hits' | 'more'>;

/** As many as a screen shows. */
const HITS = 12;

/** The best matches for the command palette, among what the visitor may pull. @param text empty: none */
export async function loadJump(
  text: string,
  caller: Caller,
  { overview }: Pick<Sources, 'overview'>,
): Promise<JumpResult> {
  if (text === '') return { hits: [], more: false };
  return await overview.search({ text, offset: 0, limit: HITS }, caller);
}
