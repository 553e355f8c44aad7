import { RegistryError } from '../../oci/errors.ts';
import { parseRepositoryName } from '../../oci/names.ts';
import { labelOf } from '../identity.ts';
import type { RobotsLog } from '../robots/log.ts';
import { isExpired, loginOf, type Robot } from '../robots/robot.ts';
import { hashSecret, newSecret } from '../robots/secret.ts';
import type { AccessRules } from '../rules/access-rules.ts';
import { type AccessAnswer, type AccessQuestion, decideAction, differencesInWords } from '../rules/explain.ts';
import { parseIdentity } from '../rules/parse-identity.ts';
import { ALL_ACTIONS } from '../rules/rule.ts';
import { issuerText, quotaText, sentenceOf, subjectText } from '../rules/sentences.ts';
import type {
  AccessDescription,
  AccessDesk,
  AccessSource,
  Explained,
  ExplainRequest,
  Explanation,
  Orderer,
  RobotOrder,
  RobotSecret,
  RobotSummary,
} from './interface.ts';

export interface DeskPorts {
  readonly source: AccessSource;
  /** The current rules; those that allow nothing if there are none. */
  readonly rules: () => AccessRules;
  /** Names of the accounts of HTPASSWD_FILE; undefined without it. */
  readonly accounts: () => Iterable<string> | undefined;
  readonly robots: Pick<RobotsLog, 'change' | 'view'>;
  /** Binds the hashes of secrets to the store (`Identity.secrets`). */
  readonly secrets: string;
  /** The error for all writes; undefined while the store accepts them. */
  readonly writesRefused: () => RegistryError | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** For the log. */
  readonly onChange: (order: RobotOrder, by: Orderer) => void;
}

export class StoredAccessDesk implements AccessDesk {
  readonly #ports: DeskPorts;

  constructor(ports: DeskPorts) {
    this.#ports = ports;
  }

  describe(): AccessDescription {
    const { source, rules: current, accounts } = this.#ports;
    const rules = current();
    const names = accounts();
    return {
      source,
      accounts:
        names === undefined
          ? undefined
          : [...names].sort().map((name) => ({ name, groups: rules.groupsOf({ kind: 'user', name }) })),
      rules: rules.rules.map((rule) => ({ number: rule.number, line: rule.line, sentence: sentenceOf(rule) })),
      groups: Array.from(rules.groups, ([name, members]) => ({ name, members: members.map(subjectText) })),
      issuers: rules.issuers.map(issuerText),
      quotas: rules.quotas.map(quotaText),
    };
  }

  explain({ who, repository, action, claims }: ExplainRequest): Explained {
    const { source, rules: current, accounts } = this.#ports;
    if (source === 'open' || source === 'token-server') throw nothingToExplain(source);
    const repo = parseRepositoryName(repository);
    if (repo === undefined) throw new RegistryError('name-invalid', 'no repository can have this name');
    const rules = current();
    const question = { identity: parseIdentity(who, claims, rules.issuers), repo };
    const { identity } = question;
    const names = accounts();
    return {
      actor: labelOf(identity),
      groups: rules.groupsOf(identity),
      isUnknown: identity.kind === 'user' && names !== undefined && !new Set(names).has(identity.name),
      explanations: (action === undefined ? ALL_ACTIONS : [action]).map((each) =>
        explanationOf(decideAction(rules, question, each), question),
      ),
    };
  }

  changesRefused(): RegistryError | undefined {
    const { source, writesRefused } = this.#ports;
    return source === 'open' ? withoutAccounts() : writesRefused();
  }

  async robots(): Promise<readonly RobotSummary[]> {
    const { robots, now } = this.#ports;
    await robots.view.refresh();
    const at = now();
    return [...robots.view.robots.values()].sort(byName).map((robot) => summaryOf(robot, at));
  }

  async changeRobot(order: RobotOrder, by: Orderer): Promise<RobotSecret | undefined> {
    const refusal = this.changesRefused();
    if (refusal !== undefined) throw refusal;
    const secret = await this.#change(order, by.actor.label);
    this.#ports.onChange(order, by);
    return secret;
  }

  /** The secret is returned only when its hash is durable in the store, so that a secret that was shown works. */
  async #change(order: RobotOrder, actor: string): Promise<RobotSecret | undefined> {
    const { robots, secrets, now } = this.#ports;
    const { kind, name } = order;
    if (kind === 'revoke') {
      await robots.change(name, { kind }, actor);
      return undefined;
    }
    const { lifetime } = order;
    const secret = newSecret();
    const hash = hashSecret(secrets, name, secret);
    const until = lifetime === undefined ? {} : { expires: new Date(now() + lifetime).toISOString() };
    await robots.change(name, { kind, secret: hash, ...until }, actor);
    return { name, login: loginOf(name), secret, expires: robots.view.robots.get(name)?.expires };
  }
}

function explanationOf({ action, decision }: AccessAnswer, question: AccessQuestion): Explanation {
  if (decision.kind === 'allowed')
    return { action, isAllowed: true, rule: decision.rule, line: decision.line, but: undefined };
  const { nearest } = decision;
  const but = nearest === undefined ? undefined : differencesInWords(nearest, action, question);
  return { action, isAllowed: false, rule: nearest?.rule, line: nearest?.line, but };
}

function summaryOf({ secret: _, ...robot }: Robot, now: number): RobotSummary {
  return { ...robot, login: loginOf(robot.name), isExpired: isExpired(robot, now) };
}

function byName(one: Robot, other: Robot): number {
  return one.name < other.name ? -1 : 1;
}

function nothingToExplain(source: 'open' | 'token-server'): RegistryError {
  return new RegistryError(
    'request-invalid',
    source === 'open'
      ? 'this registry has no accounts: everyone may do everything'
      : 'the token server that AUTH_TOKEN_REALM names decides: there are no rules here',
  );
}

/**
 * Who reaches a registry without accounts is not known. A robot that a stranger created now could have rights as soon as the registry
 * gets accounts and rules.
 */
function withoutAccounts(): RegistryError {
  return new RegistryError(
    'request-invalid',
    'this registry has no accounts, so robots cannot log in: an operator can manage them with "marina robot"',
  );
}
