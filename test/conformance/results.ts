// Runs the official suite with the script at the root of the repository, like a user, and checks its results.
import { expect } from 'bun:test';
import { join } from 'node:path';
import { attempt } from '../support/command.ts';
import { projectRoot, temporaryFolder } from '../support/server.ts';

// This version of the suite makes 986 checks of a registry that supports everything (and more of one that refuses much).
// Clearly fewer mean that part of the suite did not run.
const MIN_PASSED = 950;

// Off on purpose; options.env has the reason.
const notTested = { 'Sparse Manifests': 'Disabled' };

/** For a test that calls expectConformance. */
export const CONFORMANCE_WITHIN_MS = 300_000;

interface Results {
  readonly config: { readonly version: string };
  readonly apis: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
}

/**
 * Expects that everything passes and nothing is skipped.
 * @param registry `host:port` of a running registry; by default the script starts one
 * @returns the folder with the report
 */
export async function expectConformance(registry?: string): Promise<string> {
  const folder = temporaryFolder('conformance');
  const script = join(projectRoot, 'run_conformance_tests.sh');
  const against = registry === undefined ? [] : ['--registry', registry];
  const { code, stdout, stderr } = await attempt([script, ...against, folder], { timeoutMs: 280_000 });
  const output = new TextDecoder().decode(stdout);
  const summary = /^conformance: (\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(output);
  if (summary === null) throw new Error(`the script printed no summary (exit code ${code}):\n${output}${stderr}`);
  const [passed, failed, skipped] = summary.slice(1).map(Number);
  if (code !== 0 || failed !== 0 || skipped !== 0) throw new Error(`exit code ${code}:\n${output}${stderr}`);
  expect(passed).toBeGreaterThanOrEqual(MIN_PASSED);
  expect(output.trimEnd().split('\n').at(-1)).toBe(`report: ${folder}`);
  expect(await Bun.file(join(folder, 'report.html')).text()).toContain(`All ${passed} passed`);

  const results = Bun.YAML.parse(await Bun.file(join(folder, 'results.yaml')).text()) as Results;
  expect(results.config.version).toBe('dev');
  expect(notPassed(results.apis)).toEqual({});
  expect(notPassed(results.data)).toEqual(notTested);
  return folder;
}

function notPassed(statuses: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(statuses).filter(([, status]) => status !== 'Pass'));
}
