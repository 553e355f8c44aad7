import type { RegistryError } from '../../oci/errors.ts';
import type { ActorLabel } from '../identity.ts';
import type { RobotName } from '../robots/robot.ts';
import type { AnyAction } from '../rules/rule.ts';

/**
 * Where the rules come from. `open`: access is not restricted. `accounts`: every account may do everything (HTPASSWD_FILE alone).
 * `rules`: ACCESS_FILE. `token-server`: the server that AUTH_TOKEN_REALM names decides, and knows the accounts.
 */
export type AccessSource = 'open' | 'accounts' | 'rules' | 'token-server';

/** An account of HTPASSWD_FILE. Nothing of its password is shown, not even the hash. */
export interface AccountSummary {
  readonly name: string;
  /** Groups of ACCESS_FILE. */
  readonly groups: readonly string[];
}

export interface RuleSummary {
  /** Its place among the rules; the first is 1. */
  readonly number: number;
  /** Line of ACCESS_FILE; undefined for the built-in rule. */
  readonly line: number | undefined;
  /** The whole rule in words. */
  readonly sentence: string;
}

/** Accounts and rules, as this process knows them now. */
export interface AccessDescription {
  readonly source: AccessSource;
  /** By name; undefined without HTPASSWD_FILE. */
  readonly accounts: readonly AccountSummary[] | undefined;
  readonly rules: readonly RuleSummary[];
  readonly groups: readonly { readonly name: string; readonly members: readonly string[] }[];
  /** Whose tokens are accepted, each in words. */
  readonly issuers: readonly string[];
  /** Each in words. */
  readonly quotas: readonly string[];
}

/** A robot without the hash of its secret. */
export interface RobotSummary {
  readonly name: RobotName;
  /** Its user name. */
  readonly login: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly createdBy: string;
  readonly rotatedAt: string | undefined;
  readonly expires: string | undefined;
  readonly isExpired: boolean;
}

/** What an administrator wants. @property lifetime milliseconds from now; of a rotation: unchanged if it is absent */
export type RobotOrder =
  | { readonly kind: 'create' | 'rotate'; readonly name: RobotName; readonly lifetime?: number | undefined }
  | { readonly kind: 'revoke'; readonly name: RobotName };

/** A new secret. It is not stored, so it is shown once. */
export interface RobotSecret {
  readonly name: RobotName;
  readonly login: string;
  readonly secret: string;
  /** ISO 8601. */
  readonly expires: string | undefined;
}

/** Who asks for a change, for the log. */
export interface Orderer {
  readonly actor: { readonly label: string };
  /** Of the request. */
  readonly id: string;
  /** Address of the client, as far as it is known. */
  readonly client: string | undefined;
}

/** @property who as `marina access explain` takes it @property claims `name=value` each */
export interface ExplainRequest {
  readonly who: string;
  readonly repository: string;
  /** undefined for all actions. */
  readonly action: AnyAction | undefined;
  readonly claims: readonly string[];
}

/** Why an action is allowed or not. */
export interface Explanation {
  readonly action: AnyAction;
  readonly isAllowed: boolean;
  /** Number of the rule that allows it, or of the nearest one; undefined if no rule comes near. */
  readonly rule: number | undefined;
  readonly line: number | undefined;
  /** Why the nearest rule does not allow it, in words. */
  readonly but: string | undefined;
}

export interface Explained {
  readonly actor: ActorLabel;
  readonly groups: readonly string[];
  /** Whether `who` names an account that HTPASSWD_FILE does not have. */
  readonly isUnknown: boolean;
  readonly explanations: readonly Explanation[];
}

/** What administrators see and change of accounts and rules. The caller checks that they may. */
export interface AccessDesk {
  describe(): AccessDescription;
  /** @throws RegistryError `request-invalid` if nothing can be explained, or the request is malformed */
  explain(request: ExplainRequest): Explained;
  /** The error that every change of a robot would get now; undefined if robots can be changed. */
  changesRefused(): RegistryError | undefined;
  /** By name. @throws RegistryError `log-broken`; errors of the store */
  robots(): Promise<readonly RobotSummary[]>;
  /**
   * Changes a robot, and writes a line to the log.
   * @returns the secret of a robot that was created or rotated
   * @throws RegistryError as `RobotsLog.change`; `read-only`, `writes-paused`, `replica`; `request-invalid` without accounts
   */
  changeRobot(order: RobotOrder, by: Orderer): Promise<RobotSecret | undefined>;
}
