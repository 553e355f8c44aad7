import { loadApi } from '../http/api/serve-api.ts';
import { loadPage } from '../http/ui/page.ts';
import { maxOpenFiles } from '../system/open-files.ts';

/** With a limit on open files below this, one client can use all of them up by connections. */
const FEW_FILES = 8_192;

/**
 * Loads now what a thread otherwise loads at its first use, if the process may open few files. While a client has used all of them up,
 * no code can be read from the disk, and Bun remembers a module that could not be loaded as long as the process runs.
 * @param isShown whether this thread serves the page
 */
export async function loadEarly(isShown: boolean): Promise<void> {
  if ((maxOpenFiles() ?? Number.POSITIVE_INFINITY) >= FEW_FILES) return;
  await Promise.all([
    loadApi(),
    isShown ? loadPage() : undefined,
    import('../inspection/inspector.ts'),
    import('../overview/overview-service.ts'),
    import('../overview/schema.ts'),
    import('./repository-index.ts'),
  ]);
}
