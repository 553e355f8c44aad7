import { run } from './app.ts';
import { ConfigError, readConfig } from './config.ts';
import { RedisRefused } from './projection/redis/connection.ts';
import { StoreRefused } from './storage/prepare.ts';

/** Starts a node from the environment. What the operator can mend is one line on stderr, and the process ends with 1. */
export async function start(): Promise<void> {
  try {
    await run(readConfig(process.env));
  } catch (error) {
    // Anything else is a defect and shows where it is.
    const isMendable = [ConfigError, StoreRefused, RedisRefused].some((kind) => error instanceof kind);
    console.error(isMendable && error instanceof Error ? `marina: ${error.message}` : error);
    process.exit(1);
  }
}
