import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { EXIT } from './failure.ts';
import { addVerbsFor } from './verbs/groups.ts';

const marina = new Command('marina')
  .description(
    'Inspects and maintains a Marina store. It takes the same settings as the server from the environment (STORAGE_PATH and ' +
      'others, docs/configuration.md), and works beside running servers. Only gc, backup, pin, unpin, webhooks, retention, read-only, robot, replica promote, rm, import, load, restore, tag and fsck --repair write to the store.',
  )
  .version(packageJson.version)
  .usage('<verb> [options]')
  .helpCommand(false)
  // Options after a verb belong to the verb.
  .enablePositionalOptions()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.failed))
  .addHelpText(
    'after',
    `
Examples:
  npm run --silent marina -- log library/app --follow
  npm run --silent marina -- history library/app latest
  STORAGE_PATH=/data npm run --silent marina -- fsck --scrub

Exit codes: 0 success, 1 faults were found or the thing does not exist, 2 the command could not run, 141 the reader of the output has gone (as in | head).`,
  );

await addVerbsFor(marina, process.argv[2]);
await marina.parseAsync();
