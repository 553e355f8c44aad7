// TCP sockets of this machine, as Linux lists them.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** 127.0.0.1 as /proc/net/tcp writes it. */
export const LOOPBACK = '0100007F';

const ESTABLISHED = '01';
const LISTENING = '0A';

/** Ports on which a process listens. @param address as /proc/net/tcp writes it */
export function listeningOn(address: string, pid: number): number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1] ?? [];
      } catch {
        // It was closed in the meantime.
        return [];
      }
    }),
  );
  const found = socketsIn(LISTENING).filter(({ local, inode }) => local.address === address && inodes.has(inode));
  return [...new Set(found.map(({ local }) => local.port))];
}

/** Local ports of the connections to a port of this machine. @param address of both ends, as /proc/net/tcp writes it */
export function connectedTo(address: string, port: number): number[] {
  const found = socketsIn(ESTABLISHED).filter(({ local, remote }) =>
    [local, remote].every((end) => end.address === address),
  );
  return found.filter(({ remote }) => remote.port === port).map(({ local }) => local.port);
}

function socketsIn(wanted: string) {
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return rows.flatMap((row) => {
    const [, local = '', remote = '', state, , , , , , inode = ''] = row.trim().split(/\s+/);
    return state === wanted ? [{ local: endOf(local), remote: endOf(remote), inode }] : [];
  });
}

function endOf(text: string): { readonly address: string; readonly port: number } {
  const [address = '', port = ''] = text.split(':');
  return { address, port: Number.parseInt(port, 16) };
}
