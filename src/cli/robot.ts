import type { Command } from 'commander';
import type { RobotChange } from '../access/robots/decide.ts';
import { LIFETIME_FORMS, parseLifetime } from '../access/robots/lifetime.ts';
import { isExpired, loginOf, parseRobotName, ROBOT_NAME_FORMS, type RobotName } from '../access/robots/robot.ts';
import { hashSecret, newSecret } from '../access/robots/secret.ts';
import { RobotsView } from '../access/robots/view.ts';
import type { Config } from '../config.ts';
import { readIdentity, StoreRefused } from '../storage/prepare.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import type { OpenStore } from './open-store.ts';
import { formatTime, type Output, printable } from './output.ts';

interface RobotPorts {
  readonly run: (work: (store: OpenStore, output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  /** @returns milliseconds until all nodes know the change */
  readonly change: (config: Config, store: OpenStore, name: RobotName, change: RobotChange) => Promise<number>;
}

interface SecretOptions {
  readonly expires?: string;
  readonly json?: true;
}

/** Adds `robot` with its verbs. They can be used while servers run. */
export function addRobotCommands(marina: Command, { run, change }: RobotPorts): void {
  const robot = marina
    .command('robot')
    .description('manage robots: accounts for machines, with generated secrets; changes reach every node within 5 s')
    .helpCommand(false);
  const withSecret = (verb: 'create' | 'rotate', description: string, expires: string): void => {
    robot
      .command(verb)
      .description(description)
      .argument('<name>', 'name of the robot; it logs in as robot+<name>')
      .option('--expires <duration>', expires)
      .option('--json', 'print one JSON object')
      .action((name: string, options: SecretOptions) =>
        run((store, output, config) =>
          giveSecret(verb, requireRobotName(name), options, store, output, (...of) => change(config, store, ...of)),
        ),
      );
  };
  withSecret('create', 'create a robot, and show its secret once', 'lifetime, such as 90d; unlimited if left out');
  withSecret(
    'rotate',
    'give a robot a new secret, and show it once; the old secret and its tokens end',
    'new lifetime from now on; unchanged if left out',
  );
  robot
    .command('revoke')
    .description('remove a robot; its secret and its tokens end')
    .argument('<name>', 'name of the robot')
    .action((text: string) =>
      run(async (store, output, config) => {
        const name = requireRobotName(text);
        const within = await change(config, store, name, { kind: 'revoke' });
        await output.line(`revoked ${name}${knownWithin(within)}`);
        return EXIT.ok;
      }),
    );
  robot
    .command('list')
    .description('list the robots')
    .option('--json', 'print one JSON object per robot')
    .action((options: { readonly json?: true }) => run((store, output) => listRobots(options, store, output)));
}

type Change = (name: RobotName, change: RobotChange) => Promise<number>;

/** Generates the secret here, and shows it only when its hash is durable in the store, so that a secret that was shown works. */
async function giveSecret(
  kind: 'create' | 'rotate',
  name: RobotName,
  options: SecretOptions,
  { reader, place }: OpenStore,
  output: Output,
  change: Change,
): Promise<ExitCode> {
  const expires = expiryOf(options.expires);
  const identity = await readIdentity(reader);
  if (identity === undefined) throw new StoreRefused(`${place} is not a Marina store`);
  const secret = newSecret();
  const hash = hashSecret(identity.secrets, name, secret);
  const within = await change(name, { kind, secret: hash, ...(expires === undefined ? {} : { expires }) });
  const login = loginOf(name);
  if (options.json === true) {
    await output.json({ name, login, secret, ...(expires === undefined ? {} : { expires }) });
    return EXIT.ok;
  }
  const lines = [
    `user name  ${login}`,
    `password   ${secret}`,
    ...(expires === undefined ? [] : [`expires    ${formatTime(expires)}`]),
    '',
    `The password is not shown again. The robot may do what the rules of ACCESS_FILE for robot:${name} allow${knownWithin(within)}.`,
  ];
  for (const line of lines) await output.line(line);
  return EXIT.ok;
}

async function listRobots(options: { readonly json?: true }, { reader }: OpenStore, output: Output): Promise<ExitCode> {
  const view = new RobotsView(reader);
  await view.refresh();
  const now = Date.now();
  const robots = [...view.robots.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  const width = Math.max(0, ...robots.map(({ name }) => name.length));
  for (const { secret: _, ...robot } of robots) {
    const expired = isExpired(robot, now);
    if (options.json === true) {
      await output.json({ ...robot, login: loginOf(robot.name), expired });
      continue;
    }
    const { name, createdAt, createdBy, rotatedAt, expires } = robot;
    const parts = [
      name.padEnd(width),
      `created ${formatTime(createdAt)} by ${printable(createdBy)}`,
      ...(rotatedAt === undefined ? [] : [`secret of ${formatTime(rotatedAt)}`]),
      ...(expires === undefined ? [] : [output.styled(expired ? 'red' : 'dim', expiryText(expires, expired))]),
    ];
    await output.line(parts.join('  '));
  }
  return EXIT.ok;
}

function expiryText(expires: string, expired: boolean): string {
  return `${expired ? 'expired' : 'expires'} ${formatTime(expires)}`;
}

function knownWithin(milliseconds: number): string {
  return milliseconds === 0 ? '' : `; every node knows within ${milliseconds / 1000} s`;
}

function requireRobotName(text: string): RobotName {
  const name = parseRobotName(text);
  if (name !== undefined) return name;
  throw new CommandError(EXIT.failed, `${JSON.stringify(text)} is not a valid name for a robot: ${ROBOT_NAME_FORMS}`);
}

/** @returns ISO 8601 */
function expiryOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const milliseconds = parseLifetime(text);
  if (milliseconds === undefined) throw new CommandError(EXIT.failed, `--expires: ${LIFETIME_FORMS} is expected`);
  return new Date(Date.now() + milliseconds).toISOString();
}
