// Distribution (registry:3), which writes the trees that `marina import` imports.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tools } from './command.ts';
import { ACCESS_KEY, type ObjectStore, SECRET_KEY } from './minio.ts';
import { freePort, temporaryFolder } from './server.ts';
import { within } from './within.ts';

const READY_WITHIN_MS = 240_000;
const STOP_WITHIN_MS = 30_000;

export interface Distribution {
  readonly url: string;
  stop(): Promise<void>;
}

const running = new Set<Distribution>();

/** For afterAll. */
export async function stopDistributions(): Promise<void> {
  await Promise.all([...running].map((each) => each.stop()));
}

export function inFolder(folder: string): string {
  return `  filesystem:\n    rootdirectory: ${folder}\n`;
}

export function inBucket({ endpoint }: ObjectStore, bucket: string, prefix: string): string {
  return `  redirect:
    disable: true
  s3:
    region: us-east-1
    regionendpoint: ${endpoint}
    forcepathstyle: true
    secure: false
    bucket: ${bucket}
    rootdirectory: /${prefix}
    accesskey: ${ACCESS_KEY}
    secretkey: ${SECRET_KEY}
`;
}

/** Basic with the accounts of an htpasswd file. */
export function withAccounts(file: string): string {
  return `auth:\n  htpasswd:\n    realm: distribution\n    path: ${file}\n`;
}

/**
 * @param storage lines of its configuration, from inFolder or inBucket
 * @param more sections of it
 */
export async function startDistribution(storage: string, more = ''): Promise<Distribution> {
  const [binary] = await tools('registry');
  const folder = temporaryFolder('distribution');
  for (let attempt = 1; ; attempt++) {
    const address = `127.0.0.1:${freePort()}`;
    const config = join(folder, 'config.yml');
    const logPath = join(folder, 'registry.log');
    writeFileSync(
      config,
      `version: 0.1\nlog:\n  level: error\nstorage:\n  delete:\n    enabled: true\n${storage}http:\n  addr: ${address}\n  secret: s\n${more}`,
    );
    const log = openSync(logPath, 'a');
    const subprocess = Bun.spawn([binary, 'serve', config], {
      env: { PATH: process.env.PATH ?? '', OTEL_TRACES_EXPORTER: 'none' },
      ...{ stdin: 'ignore', stdout: log, stderr: log },
    });
    closeSync(log);
    const distribution: Distribution = {
      url: `http://${address}`,
      stop: async () => {
        subprocess.kill('SIGTERM');
        if ((await within(STOP_WITHIN_MS, subprocess.exited)) === undefined) subprocess.kill('SIGKILL');
        await subprocess.exited;
        running.delete(distribution);
      },
    };
    running.add(distribution);
    if (await isReady(distribution.url, subprocess)) return distribution;
    await distribution.stop();
    if (attempt === 3) throw new Error(`distribution did not become ready; its log:\n${readFileSync(logPath, 'utf8')}`);
  }
}

async function isReady(url: string, subprocess: Bun.Subprocess): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline && subprocess.exitCode === null) {
    try {
      const response = await fetch(`${url}/v2/`, { signal: AbortSignal.timeout(2_000) });
      await response.arrayBuffer();
      // 401: it asks for an account.
      if (response.ok || response.status === 401) return true;
    } catch {
      // It does not listen yet.
    }
    await Bun.sleep(20);
  }
  return false;
}
