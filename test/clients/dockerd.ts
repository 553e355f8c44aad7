// A separate Docker daemon for tests, with its socket and data in a temporary folder.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Network } from '../container/network.ts';
import { attempt, run, tools } from '../support/command.ts';
import { removeFolder, temporaryFolder } from '../support/server.ts';

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 60_000;

export interface Docker {
  /** Runs the docker command with this daemon. @returns its output */
  command(...rest: string[]): Promise<string>;
  /** Environment variables that make another program, such as docker compose, use this daemon. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export interface DockerOptions {
  /** Keeps images and containers for the next daemon; by default they are removed with this one. */
  readonly dataRoot?: string;
  /** Containers get networks within this one; by default they get none. */
  readonly network?: Network;
  /** A folder whose `hosts` and `docker` this daemon sees instead of those in /etc. */
  readonly etc?: string;
}

/** In the daemon's own mount namespace. */
const USE_ETC = 'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/docker" /etc/docker && exec "$@"';

export async function startDocker({ dataRoot, network, etc }: DockerOptions = {}): Promise<Docker> {
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
      // Mounts of the daemon below its folder disappear with it, however it ends.
      ...[...(network?.enter ?? []), 'unshare', '--mount'],
      ...(etc === undefined ? [] : ['sh', '-c', USE_ETC, etc]),
      dockerd,
      `--host=${socket}`,
      // The machine's settings and network are not touched: no bridge, no firewall rules, no file outside the folder.
      `--config-file=${configuration}`,
      `--data-root=${dataRoot ?? join(folder, 'data')}`,
      `--exec-root=${join(folder, 'exec')}`,
      `--pidfile=${join(folder, 'pid')}`,
      // vfs works everywhere; with a data root to keep, the daemon chooses the best driver that works here.
      ...(dataRoot === undefined ? ['--storage-driver=vfs'] : []),
      ...(network === undefined ? ['--bridge=none', '--iptables=false', '--ip6tables=false'] : []),
    ],
    { stdin: 'ignore', stdout: log, stderr: log },
  );
  closeSync(log);

  // A separate configuration folder, so that the developer's login and context have no effect.
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
