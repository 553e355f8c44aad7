import { expect } from 'bun:test';
import { eventually } from './eventually.ts';

/**
 * Waits until the index of repositories has everything that was pushed so far. It is begun when somebody asks for it, and a page waits
 * for it only a moment: until then the page says that its list is not complete.
 * @param repositories how many there are
 */
export async function indexed(
  url: string,
  repositories: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  await eventually(async () => {
    const response = await fetch(`${url}/api/v1/totals`, { headers, signal: AbortSignal.timeout(60_000) });
    expect(await response.json()).toMatchObject({ isComplete: true, repositories });
  });
}
