// The sample load balancer (deploy/haproxy.cfg) as a process, in front of nodes of this machine.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tools } from './command.ts';
import { freePort, projectRoot, temporaryFolder } from './server.ts';
import { within } from './within.ts';

const READY_WITHIN_MS = 240_000;
const STOP_WITHIN_MS = 30_000;

export interface Balancer {
  readonly url: string;
  /** What clients put before a repository's name. */
  readonly host: string;
  readonly port: number;
  readonly process: Bun.Subprocess;
  /** All its output so far: state changes of nodes, and failed requests. */
  logs(): string;
  stop(): Promise<void>;
}

const running = new Set<Balancer>();

/** For afterAll: stops all balancers. cleanUp of server.ts removes their folders. */
export async function stopBalancers(): Promise<void> {
  await Promise.all([...running].map((balancer) => balancer.stop()));
}

/** @param nodes `host:port` of each; waits until one of them answers through it */
export async function startBalancer(nodes: readonly string[]): Promise<Balancer> {
  const [binary] = await tools('haproxy');
  for (let attempt = 1; ; attempt++) {
    const balancer = spawn(binary, nodes);
    if (await isReady(balancer)) return balancer;
    const written = balancer.logs();
    await balancer.stop();
    // Between freePort and its own bind another process may have been given the port.
    if (attempt === 3) throw new Error(`the balancer did not become ready; its log:\n${written}`);
  }
}

function spawn(binary: string, nodes: readonly string[]): Balancer {
  const folder = temporaryFolder('balancer');
  const port = freePort();
  const configuration = join(folder, 'haproxy.cfg');
  writeFileSync(configuration, render(port, nodes));
  const logPath = join(folder, 'haproxy.log');
  const log = openSync(logPath, 'a');
  const subprocess = Bun.spawn([binary, '-db', '-f', configuration], { stdin: 'ignore', stdout: log, stderr: log });
  closeSync(log);
  const balancer: Balancer = {
    ...{ url: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, port, process: subprocess },
    logs: () => readFileSync(logPath, 'utf8'),
    async stop() {
      subprocess.kill('SIGTERM');
      if ((await within(STOP_WITHIN_MS, subprocess.exited)) === undefined) subprocess.kill('SIGKILL');
      await subprocess.exited;
      running.delete(balancer);
    },
  };
  running.add(balancer);
  return balancer;
}

/** The sample with its two addresses replaced: where it listens, and the nodes that it finds by name. */
function render(port: number, nodes: readonly string[]): string {
  const sample = readFileSync(join(projectRoot, 'deploy', 'haproxy.cfg'), 'utf8');
  const servers = nodes.map((node, index) => `  server node${index + 1} ${node}`).join('\n');
  const replaced = sample
    .replace(/^ {2}bind :5000$/m, `  bind 127.0.0.1:${port}`)
    .replace(/^ {2}server-template node .*$/m, servers);
  if (!replaced.includes(`:${port}\n`) || !replaced.includes(servers)) {
    throw new Error('deploy/haproxy.cfg lacks the line `bind :5000` or `server-template node`');
  }
  return replaced;
}

async function isReady(balancer: Balancer): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline && balancer.process.exitCode === null) {
    try {
      const response = await fetch(`${balancer.url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      await response.arrayBuffer();
      if (response.ok) return true;
    } catch {
      // It does not listen yet.
    }
    await Bun.sleep(20);
  }
  return false;
}
