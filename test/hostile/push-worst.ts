// Pushes the most expensive valid manifests over several connections without a pause, until it is killed. bombs.test.ts runs it
// as a separate process, so that it does not affect the measuring client.
import { vary, worstManifests } from './worst.ts';

const CONNECTIONS = 4;

const url = process.argv[2];
if (url === undefined) throw new Error('usage: push-worst.ts <url of a repository>');
let pushed = 0;

async function pushForEver(): Promise<never> {
  const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' };
  const bodies = worstManifests();
  for (;;) {
    for (const [name, body] of bodies) {
      vary(body, pushed++);
      const response = await fetch(`${url}/manifests/worst`, { method: 'PUT', headers, body });
      const answer = await response.text();
      // A machine with much other work may be too slow for one.
      if (response.status !== 201 && response.status !== 503) throw new Error(`${name}: ${response.status} ${answer}`);
      process.stdout.write(`${name}\n`);
    }
  }
}

await Promise.all(Array.from({ length: CONNECTIONS }, pushForEver));
