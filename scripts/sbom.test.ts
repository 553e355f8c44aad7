import { expect, test } from 'bun:test';
import { z } from 'zod';
import packageJson from '../package.json' with { type: 'json' };
import { run } from '../test/support/command.ts';

const component = z.object({
  name: z.string(),
  version: z.string(),
  purl: z.string(),
  hashes: z.array(z.object({ alg: z.string(), content: z.string() })).optional(),
});
const bomSchema = z.object({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string(),
  metadata: z.object({ component: component.extend({ type: z.literal('application') }) }),
  components: z.array(component),
});

test('the SBOM is CycloneDX and has every production dependency with its hash, and no development one', async () => {
  const printed = await run(['node', new URL('sbom.mjs', import.meta.url).pathname], { timeoutMs: 60_000 });
  const { metadata, components } = bomSchema.parse(JSON.parse(printed));
  expect([metadata.component.name, metadata.component.version]).toEqual(['marina', packageJson.version]);
  const versions = new Map(components.map(({ name, version }) => [name, version]));
  for (const [name, version] of Object.entries(packageJson.dependencies))
    expect([name, versions.get(name)]).toEqual([name, version]);
  // Not TypeScript: it is a peer of a production dependency.
  for (const name of ['@biomejs/biome', 'bun-types', 'fast-check', 'fengari', 'knip'])
    expect([name, name in packageJson.devDependencies, versions.has(name)]).toEqual([name, true, false]);
  for (const { name, hashes = [] } of components)
    expect([name, hashes.map(({ alg }) => alg)]).toEqual([name, ['SHA-512']]);
}, 90_000);

test('it ends without a word when its reader closes the pipe', async () => {
  const script = 'node "$1" | head -n 1; echo $PIPESTATUS';
  const piped = Bun.spawn(['bash', '-c', script, 'bash', new URL('sbom.mjs', import.meta.url).pathname], {
    stderr: 'pipe',
  });
  const [said, errors] = await Promise.all([new Response(piped.stdout).text(), new Response(piped.stderr).text()]);
  expect([said, errors]).toEqual(['{\n141\n', '']);
}, 90_000);
