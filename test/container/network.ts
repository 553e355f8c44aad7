// A network of the tests' own, so that a published port cannot be taken, and what a container engine sets up for it
// (bridge, firewall rules) is gone with it and never meets the machine's own.
import { within } from '../support/within.ts';

const READY_WITHIN_MS = 60_000;
// Ends by itself should the tests be killed.
const LIVES_FOR_SECONDS = 1_800;

export interface Network {
  /** Put before a command, it runs the command in this network. */
  readonly enter: readonly string[];
  close(): Promise<void>;
}

export async function openNetwork(): Promise<Network> {
  const script = `ip link set lo up && echo ready && exec sleep ${LIVES_FOR_SECONDS}`;
  const holder = Bun.spawn(['unshare', '--net', 'sh', '-c', script], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const reader = holder.stdout.getReader();
  const ready = await within(READY_WITHIN_MS, reader.read());
  reader.releaseLock();
  if (ready?.value === undefined) {
    holder.kill('SIGKILL');
    throw new Error('a network namespace cannot be made: it needs root, unshare (util-linux) and ip (iproute2)');
  }
  return {
    enter: ['nsenter', `--net=/proc/${holder.pid}/ns/net`],
    async close() {
      holder.kill('SIGKILL');
      await holder.exited;
    },
  };
}
