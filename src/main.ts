// Starts a node from the environment. After an error the process exits with 1.
import { run } from './app.ts';
import { ConfigError, readConfig } from './config.ts';
import { RedisRefused } from './projection/redis/connection.ts';
import { StoreRefused } from './storage/prepare.ts';

try {
  await run(readConfig(process.env));
} catch (error) {
  // Errors that the operator can fix are one line. Any other error is a defect and is printed with its stack.
  const isFixable = [ConfigError, StoreRefused, RedisRefused].some((kind) => error instanceof kind);
  console.error(isFixable && error instanceof Error ? `marina: ${error.message}` : error);
  process.exit(1);
}
