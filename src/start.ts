import { run } from './app.ts';
import { ConfigError, readConfig } from './config.ts';
import { StoreRefused } from './storage/prepare.ts';

/** Starts a node from the environment. What the operator can mend is one line on stderr, and the process ends with 1. */
export async function start(): Promise<void> {
  try {
    await run(readConfig(process.env));
  } catch (error) {
    // Anything else is a defect and shows where it is.
    if (error instanceof ConfigError || error instanceof StoreRefused) console.error(`marina: ${error.message}`);
    else console.error(error);
    process.exit(1);
  }
}
