import { type Config, readConfig } from '../../config.ts';
import { sleep } from '../../wiring/basics.ts';
import type { Operator } from '../../wiring/operator.ts';
import { type ExitCode, reportFailure } from '../failure.ts';
import { type OpenStore, openStore } from '../open-store.ts';
import { Output } from '../output.ts';

/** Runs a verb that reads the configured store. */
export async function run(
  work: (store: OpenStore, output: Output, config: Config) => Promise<ExitCode>,
): Promise<void> {
  await runWithConfig(async (output, config) => {
    const store = await openStore(config, sleep);
    try {
      return await work(store, output, config);
    } finally {
      await store.close();
    }
  });
}

export async function runWithConfig(work: (output: Output, config: Config) => Promise<ExitCode>): Promise<void> {
  await report((output) => work(output, readConfig(process.env)));
}

/** Sets the exit code only: process.exit would cut off lines that are still being written. */
export async function report(work: (output: Output) => Promise<ExitCode>): Promise<void> {
  try {
    process.exitCode = await work(new Output(process.stdout));
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}

/** Writes to the store: through the server that has it, or in this process. */
export async function asOperator<T>(
  config: Config,
  store: OpenStore,
  work: (operator: Operator) => Promise<T>,
): Promise<T> {
  const { openOperator } = await import('../../wiring/operator.ts');
  const operator = await openOperator(config, store.reader, store.place);
  try {
    return await work(operator);
  } finally {
    await operator.close();
  }
}
