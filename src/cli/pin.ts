import type { Command } from 'commander';
import { ulid } from 'ulid';
import { activeHolds, HOLD_NAME, type Hold, type HoldContent, MAX_HOLDS } from '../collection/holds.ts';
import { type Lost, lostIn, openRounds, positionsAt } from '../collection/pin.ts';
import { formatBytes } from '../config/size.ts';
import type { Config } from '../config.ts';
import type { Incarnation } from '../oci/names.ts';
import { MOMENT_FORMS, parseMoment } from '../past/moment.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import type { OpenStore } from './open-store.ts';
import { count, formatTime, type Output, printable } from './output.ts';

/** Writes to the store: through the running server, or in this process. */
export interface Holds {
  readonly hold: (id: Incarnation, content: HoldContent) => Promise<void>;
  readonly release: (id: Incarnation) => Promise<void>;
}

export interface PinPorts {
  readonly run: (work: (store: OpenStore, output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  readonly asOperator: <T>(config: Config, store: OpenStore, work: (holds: Holds) => Promise<T>) => Promise<T>;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Recorded in the pin. */
  readonly operator: string;
}

interface PinOptions {
  readonly name: string;
  readonly until: string;
  readonly json?: true;
}

/** How long the command waits for the end of collections that had begun before the pin was created, in milliseconds. */
const WAIT_MS = 10 * 60_000;
const POLL_MS = 200;
/** The most lost content that is listed. */
const MAX_LISTED = 20;

/** Adds `pin`, `pins` and `unpin`. They can be used while servers run. */
export function addPinCommands(marina: Command, ports: PinPorts): void {
  marina
    .command('pin')
    .description('keep everything that the registry had at a moment, whatever is deleted, until a time')
    .argument('<time>', 'a time in the past, such as 2026-11-28T10:15:00Z or 2026-11-28 (its end)')
    .requiredOption('--name <name>', 'a name for the pin')
    .requiredOption('--until <time>', 'when it ends by itself')
    .option('--json', 'print one JSON object')
    .action((time: string, options: PinOptions) =>
      ports.run((store, output, config) => pin(time, options, { store, output, config }, ports)),
    );
  marina
    .command('pins')
    .description('list the pins')
    .option('--json', 'print one JSON object per pin')
    .action((options: { json?: true }) => ports.run((store, output) => listPins(options, store, output)));
  marina
    .command('unpin')
    .description('end a pin: what only it kept is garbage from then on')
    .argument('<name>', 'name of the pin')
    .action((name: string) =>
      ports.run(async (store, output, config) => {
        const found = (await activeHolds(store.reader, Date.now())).filter((hold) => hold.name === name);
        if (found.length === 0) throw new CommandError(EXIT.negative, `there is no pin ${JSON.stringify(name)}`);
        await ports.asOperator(config, store, async ({ release }) => {
          for (const { id } of found) await release(id);
        });
        await output.line(`ended the pin ${name}`);
        return EXIT.ok;
      }),
    );
}

interface Opened {
  readonly store: OpenStore;
  readonly output: Output;
  readonly config: Config;
}

async function pin(
  text: string,
  { name, until: untilText, json }: PinOptions,
  { store, output, config }: Opened,
  { asOperator, sleep, operator }: PinPorts,
): Promise<ExitCode> {
  const { reader } = store;
  const now = Date.now();
  const [moment, until] = [requireTime(text), requireTime(untilText)];
  if (moment > now) throw new CommandError(EXIT.failed, `${text} is not in the past`);
  if (until <= now) throw new CommandError(EXIT.failed, `--until ${untilText} is over`);
  if (!HOLD_NAME.test(name))
    throw new CommandError(EXIT.failed, 'a name has lower-case letters, digits, . _ and -, at most 63');
  const holds = await activeHolds(reader, now);
  if (holds.some((hold) => hold.name === name))
    throw new CommandError(
      EXIT.negative,
      `there is a pin ${name} already: end it first (unpin), or choose another name`,
    );
  if (holds.length >= MAX_HOLDS) throw new CommandError(EXIT.negative, `there are ${MAX_HOLDS} pins already`);
  const logs = await positionsAt(reader, moment);
  if (logs.length === 0) throw new CommandError(EXIT.negative, `the registry had no repository at ${text}`);
  const id = ulid() as Incarnation;
  const content: HoldContent = { v: 1, name, moment, created: now, until, by: operator, logs };
  await asOperator(config, store, ({ hold }) => hold(id, content));
  const isSettled = await waitForRounds(reader, sleep);
  const lost: Lost[] = [];
  for (const [repo, seq] of logs) for await (const each of lostIn(reader, repo, seq)) lost.push(each);
  const size = lost.reduce((sum, each) => sum + each.size, 0);
  if (json === true) {
    const pinned = { name, id, moment: isoOf(moment), until: isoOf(until), repositories: logs.length };
    await output.json({ ...pinned, settled: isSettled, lost: lost.slice(0, MAX_LISTED), lostCount: lost.length });
  } else {
    await output.line(
      `pinned ${formatTime(isoOf(moment))} as ${name}: ${count(logs.length, 'repository', 'repositories')}, until ${formatTime(isoOf(until))}`,
    );
    if (!isSettled) await output.line('a collection that began before the pin is still running and may free content');
    if (lost.length > 0)
      await output.line(`${count(lost.length, 'object')} (${formatBytes(size)}) had been freed already:`);
    for (const { repo, digest } of lost.slice(0, MAX_LISTED)) await output.line(`  ${repo} ${digest}`);
    if (lost.length > MAX_LISTED) await output.line(`  … and ${lost.length - MAX_LISTED} more`);
  }
  return isSettled && lost.length === 0 ? EXIT.ok : EXIT.negative;
}

/** @returns false if a collection that had begun before did not end in time */
async function waitForRounds(reader: OpenStore['reader'], sleep: PinPorts['sleep']): Promise<boolean> {
  const deadline = performance.now() + WAIT_MS;
  let waiting = await openRounds(reader);
  while (waiting.length > 0 && performance.now() < deadline) {
    await sleep(POLL_MS);
    const open = new Set(await openRounds(reader));
    waiting = waiting.filter((round) => open.has(round));
  }
  return waiting.length === 0;
}

async function listPins({ json }: { readonly json?: true }, store: OpenStore, output: Output): Promise<ExitCode> {
  const holds = await activeHolds(store.reader, Date.now());
  for (const hold of holds) await (json === true ? output.json(shown(hold)) : output.line(readable(hold)));
  if (holds.length === 0 && json !== true) await output.line('there are no pins');
  return EXIT.ok;
}

function shown({ name, id, moment, created, until, by, logs }: Hold): Record<string, unknown> {
  const times = { moment: isoOf(moment), created: isoOf(created), until: isoOf(until) };
  return { name, id, ...times, by, repositories: logs.size };
}

function readable({ name, moment, until, by, logs }: Hold): string {
  const repositories = count(logs.size, 'repository', 'repositories');
  return `${name}  ${formatTime(isoOf(moment))}, ${repositories}, until ${formatTime(isoOf(until))}, by ${printable(by)}`;
}

/** Milliseconds: the end of the second or day. */
function requireTime(text: string): number {
  const moment = parseMoment(text);
  if (moment?.kind === 'time') return moment.until;
  throw new CommandError(
    EXIT.failed,
    `${JSON.stringify(text)} is not a time: ${MOMENT_FORMS.replace('a slot number, or ', '')} is expected`,
  );
}

function isoOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
