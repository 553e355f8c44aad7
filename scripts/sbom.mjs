// `npm run --silent sbom`: prints a software bill of materials (CycloneDX, JSON) of what `npm ci --omit=dev` installs, made by npm's
// own command (npm 10 or later) from package-lock.json. Plain Node, so that it needs no installation.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));

const args = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'];
const { status, stdout } = spawnSync('npm', args, {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
  stdio: ['ignore', 'pipe', 'inherit'],
});
if (status !== 0) {
  console.error('marina: `npm sbom` failed; it needs npm 10 or later');
  process.exit(1);
}

// Not with --omit=dev: npm 11.19 then also omits packages that both production and development need, such as zod.
const installed = Object.entries(read('package-lock.json').packages).filter(([path, { dev }]) => path !== '' && !dev);
const kept = new Set(
  installed.map(([path, { name, version }]) => `${name ?? path.split('node_modules/').at(-1)}@${version}`),
);
const bom = JSON.parse(stdout);
kept.add(bom.metadata.component['bom-ref']);
bom.components = bom.components.filter((component) => kept.has(component['bom-ref']));
bom.dependencies = bom.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => kept.has(each)) }));
// npm names the application after its folder, which may have any name.
bom.metadata.component.name = read('package.json').name;
// Its reader may want the beginning only (`| head`). Then it ends as SIGPIPE ends other programs, for which shells show 128 + 13.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(141);
});
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
