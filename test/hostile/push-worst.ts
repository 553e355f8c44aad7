// Pushes the dearest manifests that are legal, over some connections and without a pause, until it is killed. Run by bombs.test.ts
// as a process of its own, so that it takes nothing from the client that measures.
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
      if (response.status !== 201) throw new Error(`${name}: ${response.status} ${answer}`);
      process.stdout.write(`${name}\n`);
    }
  }
}

await Promise.all(Array.from({ length: CONNECTIONS }, pushForEver));
