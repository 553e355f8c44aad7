import { loginOf } from '../../access/robots/robot.ts';
import type { Handler } from '../context.ts';
import { respond } from '../response.ts';
import type { access, explanation, robots } from './access-endpoints.ts';
import { robotChange } from './access-endpoints.ts';
import { type AnswerOf, send } from './answer.ts';
import { readJson } from './json-body.ts';

export const getAccess: Handler<'api-access'> = (_, context, { accessDesk }) => {
  const answer: AnswerOf<typeof access> = accessDesk.describe();
  return send(context.stats, JSON.stringify(answer));
};

export const explainAccess: Handler<'api-access-explain'> = (route, context, { accessDesk }) => {
  const { who, repository, action, claims = [] } = route;
  const { actor, groups, isUnknown, explanations } = accessDesk.explain({ who, repository, action, claims });
  const answer: AnswerOf<typeof explanation> = {
    ...{ actor, groups, unknown: isUnknown },
    actions: explanations.map(({ isAllowed, ...each }) => ({ ...each, allowed: isAllowed })),
  };
  return send(context.stats, JSON.stringify(answer));
};

export const getRobots: Handler<'api-robots'> = async ({ q = '', after, n }, context, { accessDesk }) => {
  const all = (await accessDesk.robots()).filter(({ name }) => name.includes(q));
  const answer: AnswerOf<typeof robots> = {
    robots: all.slice(after, after + n).map(({ name, login, createdAt, createdBy, rotatedAt, expires, isExpired }) => ({
      ...{ name, login, created: createdAt, by: createdBy },
      ...{ rotated: rotatedAt, expires, expired: isExpired },
    })),
    count: all.length,
    next: after + n < all.length ? after + n : undefined,
  };
  return send(context.stats, JSON.stringify(answer));
};

export const changeRobot: Handler<'api-robot-change'> = async (_, context, { accessDesk, limits }) => {
  const { action, ...order } = await readJson(context, limits.body, robotChange.body);
  const given = await accessDesk.changeRobot({ kind: action, ...order }, context);
  const answer: AnswerOf<typeof robotChange> = given ?? { name: order.name, login: loginOf(order.name) };
  const json = JSON.stringify(answer);
  context.stats.sent = Buffer.byteLength(json);
  // It may have a secret, which nothing on the way may keep.
  return respond(json, { headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' } });
};
