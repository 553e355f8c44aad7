import type { BackupReport } from '../../backup/run.ts';
import { formatBytes } from '../../config/size.ts';
import { count, formatTime } from '../output.ts';

/** A backup in one line. */
export function readable({ name, moment, repositories, slots, added, seconds }: BackupReport): string {
  const all = `${count(repositories, 'repository', 'repositories')}, ${count(slots, 'slot')}`;
  const fresh = `new: ${count(added.objects, 'object')}, ${count(added.slots, 'slot')}, ${formatBytes(added.bytes)}`;
  return `${name}  ${formatTime(moment)}  ${all}; ${fresh} (${seconds.toFixed(1)} s)`;
}
