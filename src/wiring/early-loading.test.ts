import { expect, test } from 'bun:test';
import { projectRoot } from '../../test/support/server.ts';

const MAX_FILES = 500;

/** Runs a process that may open few files. After `before` it uses all of them up, then loads what is loaded late. @returns its output */
async function outputAfter(before: string): Promise<string> {
  const program = `import { openSync } from 'node:fs';
    import { parseApiRoute } from './src/http/api/parse-api-route.ts';
    import { loadPage } from './src/http/ui/page.ts';
    import { codeOf } from './src/system/error-code.ts';
    import { loadEarly } from './src/wiring/early-loading.ts';
    ${before}
    try {
      for (;;) openSync('/dev/null', 'r');
    } catch (error) {
      if (codeOf(error) !== 'EMFILE') throw error;
    }
    try {
      await loadPage();
      await import('./src/inspection/inspector.ts');
      await import('./src/overview/overview-service.ts');
      await import('./src/overview/schema.ts');
      await import('./src/wiring/repository-index.ts');
      const route = await parseApiRoute('GET', '/api/v1/totals', new URLSearchParams());
      console.log('loaded', route?.kind);
    } catch (error) {
      console.log('failed', error.message);
    }`;
  const bun = `${projectRoot}/node_modules/.bin/bun`;
  const child = Bun.spawn(['/bin/sh', '-c', `ulimit -n ${MAX_FILES}; exec "$@"`, 'sh', bun, '-e', program], {
    cwd: projectRoot,
    stdout: 'pipe',
  });
  const [output, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  expect(code).toBe(0);
  return output.trim();
}

test('a process that may open few files has loaded its code before a client can use them up', async () => {
  expect(await outputAfter('await loadEarly(true);')).toBe('loaded api-totals');
  expect(await outputAfter('')).toStartWith('failed');
}, 120_000);
