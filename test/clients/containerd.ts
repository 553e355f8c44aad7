// A separate containerd for tests, with its socket and data in a temporary folder, and its own client.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, type CommandResult, tools } from '../support/command.ts';
import { removeFolder, temporaryFolder } from '../support/server.ts';
import { within } from '../support/within.ts';

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;

export interface Containerd {
  /** Runs ctr with this daemon, whatever its exit code. */
  attempt(...rest: string[]): Promise<CommandResult>;
  stop(): Promise<void>;
}

export async function startContainerd(): Promise<Containerd> {
  const [containerd, ctr] = await tools('containerd', 'ctr');
  if (process.getuid?.() !== 0) throw new Error('containerd needs root');
  const folder = temporaryFolder('containerd');
  const socket = join(folder, 'c.sock');
  const logPath = join(folder, 'containerd.log');
  const configuration = join(folder, 'config.toml');
  writeFileSync(
    configuration,
    `version = 2
root = "${join(folder, 'root')}"
state = "${join(folder, 'state')}"
# The kubelet's interface is left out: it would look for networks and sandboxes.
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${socket}"
`,
  );
  const log = openSync(logPath, 'a');
  const daemon = Bun.spawn(['unshare', '--mount', containerd, '--config', configuration], {
    stdin: 'ignore',
    stdout: log,
    stderr: log,
  });
  closeSync(log);
  const command = (...rest: string[]): Promise<CommandResult> => attempt([ctr, `--address=${socket}`, ...rest]);
  const stop = async (): Promise<void> => {
    daemon.kill('SIGTERM');
    if ((await within(STOP_WITHIN_MS, daemon.exited)) === undefined) daemon.kill('SIGKILL');
    await daemon.exited;
    removeFolder(folder);
  };
  const deadline = Date.now() + READY_WITHIN_MS;
  while ((await command('--connect-timeout=2s', 'version')).code !== 0) {
    if (daemon.exitCode !== null || Date.now() > deadline) {
      const messages = readFileSync(logPath, 'utf8');
      await stop();
      throw new Error(`containerd did not become ready; its log:\n${messages}`);
    }
    await Bun.sleep(50);
  }
  return { attempt: command, stop };
}
