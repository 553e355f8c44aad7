// Runs before `npm start`, `npm test` and others: a fresh clone has no node_modules, and after a pull they may be stale.
// Plain Node, because Bun is one of the packages that this installs.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');
const stamp = join(root, 'node_modules', '.marina-setup');
const installed = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;

if (!installed) {
  console.error('marina: installing the dependencies of package-lock.json (once, in under a minute)');
  const run = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (run.status !== 0) {
    console.error('marina: `npm ci` failed; see its message above');
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}
