import { z } from 'zod';
import { LIFETIME_FORMS, parseLifetime } from '../../access/robots/lifetime.ts';
import { parseRobotName, ROBOT_NAME_FORMS } from '../../access/robots/robot.ts';
import { ALL_ACTIONS } from '../../access/rules/rule.ts';
import { command, endpoint } from './endpoint.ts';
import { count, offset, search, text, time } from './fields.ts';

/* Accounts and rules. They show who may do what, so they need the right `admin`. */

const none = z.strictObject({});
const WHO = 'It needs the right `admin`.';
/** Of one page of robots. */
const MAX_ROBOTS = 1_000;
const MAX_CLAIMS = 20;

export const access = endpoint({
  kind: 'api-access',
  path: '/api/v1/access',
  summary: 'Accounts, groups and rules, as the files say now',
  description: `${WHO} Nothing of passwords is shown.`,
  params: none,
  query: none,
  answer: z.strictObject({
    source: z
      .enum(['open', 'accounts', 'rules', 'token-server'])
      .describe(
        'Who decides: nobody (everyone may do everything), HTPASSWD_FILE alone, ACCESS_FILE, or the token server.',
      ),
    accounts: z
      .array(z.strictObject({ name: z.string(), groups: z.array(z.string()) }))
      .optional()
      .describe('Of HTPASSWD_FILE; absent without it.'),
    rules: z.array(
      z.strictObject({
        number: z.int(),
        line: z.int().optional().describe('Of ACCESS_FILE.'),
        sentence: z.string(),
      }),
    ),
    groups: z.array(z.strictObject({ name: z.string(), members: z.array(z.string()) })),
    issuers: z.array(z.string()).describe('Whose tokens are accepted, in words.'),
    quotas: z.array(z.string()).describe('In words.'),
  }),
  errors: [],
});

export const explanation = endpoint({
  kind: 'api-access-explain',
  path: '/api/v1/access/explain',
  summary: 'Which rule allows somebody something, or why none does',
  description: `${WHO} As \`marina access explain\`.`,
  params: none,
  query: z.strictObject({
    who: z
      .string()
      .describe(
        'anonymous, a user name, robot:<name>, cert:<CN> or oidc:<issuer>:<subject>. The identity need not exist.',
      ),
    repository: z.string().describe('Name of the repository; it need not exist.'),
    action: z.enum(ALL_ACTIONS).optional().describe('All actions if it is absent.'),
    claims: text(
      (value) => (value.split('\n').length <= MAX_CLAIMS ? value.split('\n') : undefined),
      `at most ${MAX_CLAIMS} lines of name=value`,
    )
      .optional()
      .describe('Claims of an OIDC identity: a line for each, name=value.'),
  }),
  answer: z.strictObject({
    actor: z.string().describe('How the log names the identity.'),
    groups: z.array(z.string()).describe('That it is in.'),
    unknown: z.boolean().describe('Whether HTPASSWD_FILE has no account of this name.'),
    actions: z.array(
      z.strictObject({
        action: z.enum(ALL_ACTIONS),
        allowed: z.boolean(),
        rule: z.int().optional().describe('The rule that allows it, or the nearest one; absent if none comes near.'),
        line: z.int().optional().describe('Of ACCESS_FILE.'),
        but: z.string().optional().describe('Why the nearest rule does not allow it.'),
      }),
    ),
  }),
  errors: [],
});

export const robots = endpoint({
  kind: 'api-robots',
  path: '/api/v1/robots',
  summary: 'The robots: accounts for machines',
  description: `${WHO} Nothing of secrets is shown.`,
  params: none,
  query: z.strictObject({
    q: search.optional().describe('Only robots whose names have this text.'),
    after: offset,
    n: count(100, MAX_ROBOTS),
  }),
  answer: z.strictObject({
    robots: z.array(
      z.strictObject({
        name: z.string(),
        login: z.string().describe('The user name with which it logs in.'),
        created: time,
        by: z.string().describe('Who created it.'),
        rotated: time.optional().describe('When it got its current secret, if that is not its first one.'),
        expires: time.optional(),
        expired: z.boolean(),
      }),
    ),
    count: z.int().nonnegative().describe('How many match.'),
    next: z.int().nonnegative().optional().describe('`after` of the next page; absent on the last one.'),
  }),
  errors: [],
});

const name = text(parseRobotName, ROBOT_NAME_FORMS);
const lifetime = text(parseLifetime, LIFETIME_FORMS)
  .optional()
  .describe(`How long it may log in: ${LIFETIME_FORMS}. Absent: for ever, or as long as before the rotation.`);

export const robotChange = command({
  kind: 'api-robot-change',
  path: '/api/v1/robots',
  summary: 'Creates a robot, gives it a new secret, or revokes it',
  description: `${WHO} Every node knows the change within 5 s.`,
  body: z.discriminatedUnion('action', [
    z.strictObject({ action: z.literal('create'), name, lifetime }),
    z.strictObject({ action: z.literal('rotate'), name, lifetime }),
    z.strictObject({ action: z.literal('revoke'), name }),
  ]),
  answer: z.strictObject({
    name: z.string(),
    login: z.string(),
    secret: z.string().optional().describe('Of a robot that was created or rotated. It is not shown again.'),
    expires: time.optional(),
  }),
  errors: [],
});

export const ACCESS_ENDPOINTS = [access, explanation, robots, robotChange] as const;
