import { expect, test } from 'bun:test';
import { HOSTILE } from '../../../test/support/hostile-texts.ts';
import { viewer } from '../../../test/support/viewer.ts';
import type { AccessDescription, RobotSummary } from '../../access/admin/interface.ts';
import type { ActorLabel } from '../../access/identity.ts';
import type { RobotName } from '../../access/robots/robot.ts';
import type { Incarnation } from '../../oci/names.ts';
import type { OperationsOverview } from '../../operations/interface.ts';
import type { Element } from '../jsx/jsx-runtime.js';
import { renderToString } from '../jsx/render.js';
import type { AccessData } from '../load/load-access.ts';
import { Access } from './access.tsx';
import { Operations } from './operations.tsx';
import { ConfirmRobot, RobotSecretPage } from './robots.tsx';

const DATE = '2026-11-28T00:00:00.000Z';

function robot(text: string): RobotSummary {
  return {
    // No store has a robot of such a name, but its log could be altered.
    ...{ name: text as RobotName, login: text, createdAt: DATE, createdBy: text, rotatedAt: DATE },
    ...{ expires: DATE, isExpired: false },
  };
}

function access(text: string): AccessData {
  const description: AccessDescription = {
    source: 'rules',
    accounts: [{ name: text, groups: [text] }],
    rules: [{ number: 1, line: 1, sentence: text }],
    groups: [{ name: text, members: [text] }],
    ...{ issuers: [text], quotas: [text] },
  };
  return {
    description,
    accounts: { items: [{ name: text, groups: [text] }], count: 1 },
    robots: { items: [robot(text)], count: 1 },
    changesRefused: undefined,
    answer: {
      kind: 'explained',
      explained: {
        ...{ actor: text as ActorLabel, groups: [text], isUnknown: true },
        explanations: [{ action: 'pull', isAllowed: false, rule: 1, line: 1, but: text }],
      },
    },
  };
}

function operations(text: string): OperationsOverview {
  const amount = { objects: 1, bytes: 1 };
  const at = Date.parse(DATE);
  return {
    node: {
      kind: 'known',
      value: {
        ...{ name: text, version: text, shape: 'cluster', storage: text, store: text, startedAt: at, memory: 1 },
        hasRetention: true,
        threads: [
          { index: 0, inFlight: 1 },
          { index: 1, inFlight: undefined },
        ],
      },
    },
    processes: {
      kind: 'known',
      value: {
        processes: [
          {
            ...{ id: 'a', name: text, role: 'node', isThis: true, state: 'alive', silentFor: 0, pid: 1, version: text },
            ...{ threads: 1, startedAt: at, jobs: [], address: text, rules: text },
          },
          {
            ...{
              id: 'b',
              name: text,
              role: 'worker',
              isThis: false,
              state: 'gone',
              silentFor: 90_000,
              pid: 2,
              version: text,
            },
            ...{ threads: 1, startedAt: at, jobs: [text], address: undefined, rules: undefined },
          },
        ],
        problem: text,
      },
    },
    services: [{ name: 'redis', milliseconds: undefined, problem: text }],
    writes: { kind: 'known', value: { state: 'paused', since: DATE, by: text } },
    jobs: {
      kind: 'known',
      value: {
        counts: [{ kind: 'collect', waiting: 1, active: 1, delayed: 1, failed: 1, oldestSeconds: 90 }],
        deadLetters: [
          { id: text, kind: 'collect', payload: { [text]: text }, attempts: 1, reason: text, failedAt: at },
        ],
      },
    },
    webhooks: {
      kind: 'known',
      value: [
        {
          ...{ name: text, host: text, format: text, condition: 'failing', cursor: text },
          behind: { changes: 1, isMore: true, seconds: 1 },
          failing: { since: at, attempts: 1, reason: text },
          totals: { delivered: 1, skipped: 1, failed: 1 },
        },
      ],
    },
    replica: {
      kind: 'known',
      value: {
        ...{ source: text, promoted: DATE, note: 1, noted: DATE, problem: text, missing: 1 },
        ...{ repositories: 1, changes: 1, bytes: 1, seconds: 1, isMore: true },
      },
    },
    replicas: {
      kind: 'known',
      value: [0, 100_000].map((silentFor) => ({
        ...{ id: `${silentFor}`, name: text, client: text, silentFor, note: 1, behind: { notes: 1, since: at } },
      })),
    },
    collection: {
      kind: 'known',
      value: {
        ...{ run: text, startedAt: at, finishedAt: at, repositories: 1, examined: amount, kept: amount, freed: amount },
        ...{ waiting: amount, unlinked: 1, condemned: 1, spared: 1, oldestGarbageSeconds: 1, epochs: 1, failures: 1 },
        failed: text,
      },
    },
    retention: { kind: 'unknown', problem: text },
    holds: {
      kind: 'known',
      value: [true, false].map((isBackup) => ({
        ...{ id: `${isBackup}`, isBackup, name: text, moment: at, created: at, until: at, renewedAt: at, by: text },
        repositories: 1,
      })),
    },
    backups: {
      kind: 'known',
      value: [undefined, text].map((failed, index) => ({
        ...{ run: `${index}` as Incarnation, name: text, place: text, by: text, startedAt: at, finishedAt: at },
        ...{ added: { objects: 1, bytes: 1, slots: 1 }, cut: { moment: at, note: 1, repositories: 1 }, failed },
      })),
    },
  };
}

function views(text: string): Element[] {
  const query = { q: text, who: text, repository: text, action: text, claims: text };
  const given = { name: text as RobotName, login: text, secret: text, expires: DATE };
  return [
    <Access data={access(text)} query={query} viewer={viewer(text)} />,
    <Access
      data={{ ...access(text), answer: { kind: 'refused', problem: text } }}
      query={query}
      viewer={viewer(text)}
    />,
    <ConfirmRobot change="revoke" robot={robot(text)} viewer={viewer(text)} />,
    <RobotSecretPage given={given} verb="created" viewer={viewer(text)} />,
    <Operations data={operations(text)} done={text} outcome={{ isDone: false, message: text }} viewer={viewer(text)} />,
  ];
}

/** The elements with the names of their attributes, as a browser sees them, and where links and forms lead. */
function structureOf(view: Element): { readonly elements: string[]; readonly links: string[] } {
  const elements: string[] = [];
  const links: string[] = [];
  new HTMLRewriter()
    .on('*', {
      element({ tagName, attributes }) {
        const names = [...attributes].map(([name]) => name);
        elements.push([tagName, ...names].join(' '));
        for (const [name, value] of attributes) if (name === 'href' || name === 'action') links.push(value);
      },
    })
    .transform(renderToString(view));
  return { elements, links };
}

const PLAIN = views('x').map((view) => structureOf(view).elements);

test.each(HOSTILE.map((text, at) => [at, text] as const))(
  'hostile text %i stays text in the views for administrators',
  (_, text) => {
    for (const [at, view] of views(text).entries()) {
      const { elements, links } = structureOf(view);
      expect(elements).toEqual(PLAIN[at] ?? []);
      expect(links.filter((link) => !/^(?:\/ui\/|#)/.test(link))).toEqual([]);
    }
  },
);

test('a page without actions has no forms that change something', () => {
  for (const passive of ['read-only', 'unknown-host'] as const) {
    const looking = { ...viewer('x'), passive };
    const query = { q: '', who: '', repository: '', action: '', claims: '' };
    for (const view of [
      <Access data={access('x')} query={query} viewer={looking} />,
      <Operations data={operations('x')} done="" viewer={looking} />,
    ])
      expect(renderToString(view)).not.toContain('method="post"');
  }
});

test('a run of retention is offered if there are rules, or if that is not known', () => {
  const data = operations('x');
  const { node } = data;
  if (node.kind !== 'known') throw new Error('the node is known here');
  const offers = (part: OperationsOverview['node']): boolean =>
    renderToString(<Operations data={{ ...data, node: part }} done="" viewer={viewer('x')} />).includes(
      'value="retain"',
    );
  expect(offers(node)).toBe(true);
  expect(offers({ kind: 'known', value: { ...node.value, hasRetention: false } })).toBe(false);
  expect(offers({ kind: 'unknown', problem: 'x' })).toBe(true);
});
