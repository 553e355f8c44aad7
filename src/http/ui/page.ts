import type { Handler } from '../context.ts';
import type { failurePage as FailurePage } from './failure-page.tsx';

/*
 * The code of the page is loaded at its first request: with its libraries it is a sixth of all code, and each thread would have it
 * from its start. If it cannot be loaded, that request fails, and the reason is logged.
 */

/** Serves one request of the page. */
export const servePage: Handler<'page'> = async (route, context, ports) => {
  const pages = await import('./pages.tsx');
  return await pages.servePage(route, context, ports);
};

/** An error as a page, as in failure-page.tsx. */
export const failurePage: typeof FailurePage = async (...failed) => {
  const page = await import('./failure-page.tsx');
  return await page.failurePage(...failed);
};

/** Loads that code now. */
export async function loadPage(): Promise<void> {
  await Promise.all([import('./pages.tsx'), import('./failure-page.tsx')]);
}
