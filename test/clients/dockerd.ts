// A Docker daemon of the tests' own, with its socket and data in a temporary folder.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Network } from '../container/network.ts';
import { attempt, run, tools } from '../support/command.ts';
import { removeFolder, temporaryFolder } from '../support/server.ts';

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 60_000;

export interface Docker {
  /** Runs the docker command against this daemon and gives its output. */
  command(...rest: string[]): Promise<string>;
  /** What makes another program, such as docker compose, talk to this daemon. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export interface DockerOptions {
  /** Images and containers stay there for the next daemon; without it they go with this one. */
  readonly dataRoot?: string;
  /** Its containers get networks within this one. Without it they get none. */
  readonly network?: Network;
}

export async function startDocker({ dataRoot, network }: DockerOptions = {}): Promise<Docker> {
  const [docker, dockerd] = await tools('docker', 'dockerd');
  if (process.getuid?.() !== 0) throw new Error('dockerd needs root');
  const folder = temporaryFolder('docker');
  const socket = `unix://${join(folder, 'd.sock')}`;
  const logPath = join(folder, 'dockerd.log');
  const configuration = join(folder, 'daemon.json');
  writeFileSync(configuration, '{}');
  const log = openSync(logPath, 'a');
  const daemon = Bun.spawn(
    [
      // What the daemon mounts below its folder goes away with it, however it ends.
      ...[...(network?.enter ?? []), 'unshare', '--mount', dockerd],
      `--host=${socket}`,
      // The machine's own settings and network are left alone: no bridge, no firewall rules, no file outside the folder.
      `--config-file=${configuration}`,
      `--data-root=${dataRoot ?? join(folder, 'data')}`,
      `--exec-root=${join(folder, 'exec')}`,
      `--pidfile=${join(folder, 'pid')}`,
      // The simple one works everywhere; where much is kept, the daemon takes the best that works here.
      ...(dataRoot === undefined ? ['--storage-driver=vfs'] : []),
      ...(network === undefined ? ['--bridge=none', '--iptables=false', '--ip6tables=false'] : []),
    ],
    { stdin: 'ignore', stdout: log, stderr: log },
  );
  closeSync(log);

  // A configuration folder of its own: the developer's login and context must not matter.
  const options = { env: { DOCKER_HOST: socket, DOCKER_CONFIG: folder } };
  const stop = async (): Promise<void> => {
    daemon.kill('SIGTERM');
    const deadline = setTimeout(() => daemon.kill('SIGKILL'), STOP_WITHIN_MS);
    await daemon.exited;
    clearTimeout(deadline);
    removeFolder(folder);
  };

  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    if ((await attempt([docker, 'version'], options)).code === 0) break;
    if (daemon.exitCode !== null || Date.now() > deadline) {
      const messages = readFileSync(logPath, 'utf8');
      await stop();
      throw new Error(`dockerd did not become ready; its log:\n${messages}`);
    }
    await Bun.sleep(100);
  }
  return { command: (...rest) => run([docker, ...rest], options), env: options.env, stop };
}
