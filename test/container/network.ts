// A separate network for tests, so that a published port cannot be in use, and the bridges and firewall rules of a container engine
// disappear with it and never collide with those of the machine.
import { within } from '../support/within.ts';

const READY_WITHIN_MS = 60_000;
// Ends on its own if the tests are killed.
const LIVES_FOR_SECONDS = 1_800;

export interface Network {
  /** A prefix that runs a command in this network. */
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
    throw new Error('a network namespace cannot be created: it needs root, unshare (util-linux) and ip (iproute2)');
  }
  return {
    enter: ['nsenter', `--net=/proc/${holder.pid}/ns/net`],
    async close() {
      holder.kill('SIGKILL');
      await holder.exited;
    },
  };
}
