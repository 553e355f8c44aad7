/** Milliseconds of CPU time that this process spends on the work. Other load on the machine does not count. */
export function processorMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Ticks of the kernel's counters, in milliseconds: sysconf(_SC_CLK_TCK) is 100 on Linux. */
const TICK_MS = 10;

/** Milliseconds of CPU time that all threads of a process have spent so far. */
export async function processorMsOf(pid: number): Promise<number> {
  const stat = await Bun.file(`/proc/${pid}/stat`).text();
  // The name of the program may have spaces. After it come the fields from the third on (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
