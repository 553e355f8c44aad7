// Starts a node from the environment. After an error the process exits with 1. Errors that the operator can fix are one line on stderr.
import { run } from './app.ts';
import { readConfig } from './config.ts';
import { exitUnstarted } from './wiring/fixable.ts';

try {
  await run(readConfig(process.env));
} catch (error) {
  exitUnstarted(error);
}
