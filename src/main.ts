import { run } from './app.ts';
import { ConfigError, readConfig } from './config.ts';
import { StoreRefused } from './storage/prepare.ts';

try {
  await run(readConfig(process.env));
} catch (error) {
  // What the operator can mend is said in one line; anything else is a defect and shows where it is.
  if (error instanceof ConfigError || error instanceof StoreRefused) console.error(`marina: ${error.message}`);
  else console.error(error);
  process.exit(1);
}
