import type { Command } from 'commander';
import { openHistory, openStates } from '../../wiring/past.ts';
import { type AuditOptions, showAudit } from '../audit/audit.ts';
import { type ChangesOptions, showChanges } from '../changes.ts';
import { showDiff } from '../diff.ts';
import { CommandError, EXIT } from '../failure.ts';
import { showHistory } from '../history.ts';
import { type LogOptions, showLog } from '../log.ts';
import { run } from './run.ts';
import { positiveInteger } from './slot-number.ts';

/** Adds the verbs that show what happened. */
export function addVerbs(marina: Command): void {
  marina
    .command('log')
    .description('show the events of a repository, or the changes of all, oldest first, one per line')
    .argument('[repo]', 'name of the repository')
    .option('--all', 'show the changes of all repositories, as GET /api/v1/changes does')
    .option('-f, --follow', 'keep following new events until interrupted')
    .option('--json', 'print one JSON object per event, with the fields of its slot')
    .option('--full', 'show full digests')
    .option('--from <seq>', 'of one repository: start at this slot (default: 1)', positiveInteger)
    .option('--since <where>', 'with --all: start at this time (ISO 8601), cursor, or "now"; default: the beginning')
    .option('--repo <glob>', 'with --all: only repositories whose names match')
    .option('--type <types>', 'with --all: only these types of changes, with commas between them')
    .action((repo: string | undefined, { all, ...options }: LogOptions & ChangesOptions & { all?: true }) =>
      run((store, output) => {
        if (all !== true) {
          const name = repo ?? refused('name a repository, or use --all');
          for (const option of ['since', 'repo', 'type'] as const)
            if (options[option] !== undefined)
              refused(`--${option} is for the changes of all repositories: use --all, too`);
          return showLog(name, options, store, output);
        }
        if (repo !== undefined) refused('--all is for all repositories: leave out the name, or use --repo');
        if (options.from !== undefined) refused('--from is for one repository: name it, or use --since');
        return showChanges(options, store, output);
      }),
    );
  marina
    .command('history')
    .description('show every value a tag had, oldest first: when, by whom, in which slot, and deletions')
    .argument('<repo>', 'name of the repository')
    .argument('<tag>', 'name of the tag')
    .option('--json', 'print one JSON object per change')
    .action((repo: string, tag: string, options: { json?: true }) =>
      run((store, output) => showHistory(repo, tag, options, store, output)),
    );
  marina
    .command('audit')
    .description('show all writes to repositories and robots, oldest first, with time and actor')
    .option('--repo <glob>', 'only repositories whose names match')
    .option('--actor <glob>', "only actors that match, such as 'robot:ci-*' or user:deployer")
    .option('--since <time>', 'start at this time (ISO 8601, UTC), or this long ago, such as 24h')
    .option('-f, --follow', 'keep following new writes until interrupted')
    .option('--verify', 'also check the hash chains of the logs; exit code 1 if one is broken')
    .option('--json', 'print one JSON object per event')
    .action((options: AuditOptions) =>
      run((store, output, config) => {
        const interrupted = new AbortController();
        if (options.follow === true) process.once('SIGINT', () => interrupted.abort());
        const ports = { reader: store.reader, skew: config.gcGrace / 4, now: Date.now, signal: interrupted.signal };
        return showAudit(options, ports, output);
      }),
    );
  marina
    .command('diff')
    .description('show what differs between two moments of a repository, or between two of its images')
    .argument('<repo>', 'name of the repository')
    .argument('<a>', 'a slot or a time; or a tag or digest, also as it was: v1, tag:12, v1@12, v1@2026-11-28T10:15:00Z')
    .argument('<b>', 'the same, of the other side')
    .option('--json', 'print one JSON object')
    .action((repo: string, from: string, to: string, options: { json?: true }) =>
      run((store, output, config) => {
        const history = openHistory(store.reader, openStates(store.reader, config.pastMemory));
        return showDiff(repo, [from, to], options, history, output);
      }),
    );
}

function refused(message: string): never {
  throw new CommandError(EXIT.failed, message);
}
