// Part of `npm run check`: each package of package-lock.json has an integrity, and none names a private registry.
import { readFileSync } from 'node:fs';
import { lockFaults } from './lock-faults.ts';

const faults = lockFaults(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
for (const fault of faults) console.error(`package-lock.json: ${fault}`);
if (faults.length > 0) {
  console.error('package-lock.json: `npm view <package>@<version> dist.integrity` prints a missing integrity');
  process.exit(1);
}
