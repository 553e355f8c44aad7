import type { AccessDescription, AccountSummary, Explained, Explanation } from '../../access/admin/interface.ts';
import { ACCESS, type AccessQuery, accessAddress } from '../addresses.ts';
import { Badge, Card, Empty, Notice } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { TableHead } from '../components/table-head.tsx';
import { formatCount, formatNumber, sentence } from '../format.ts';
import type { AccessData, AccessExplanation, Listed } from '../load/load-access.ts';
import { ACTION_NAMES } from '../models/action-names.ts';
import type { Viewer } from '../viewer.ts';
import { RobotsCard } from './robots.tsx';

interface AccessProps {
  readonly data: AccessData;
  readonly query: AccessQuery;
  readonly viewer: Viewer;
}

/** Accounts, robots and rules, for administrators. */
export function Access({ data, query, viewer }: AccessProps) {
  const { description, accounts, answer } = data;
  const { source } = description;
  return (
    <>
      <div class="title-row">
        <h1>Access</h1>
        <form class="filter title-filter" action={ACCESS} method="get">
          <Icon name="search" />
          <input
            type="search"
            name="q"
            value={query.q}
            placeholder="Find accounts and robots"
            aria-label="Find accounts and robots"
            autocomplete="off"
            spellcheck={false}
            maxLength={255}
          />
        </form>
      </div>
      <p class="lead">{SOURCES[source]}</p>
      <div class={source === 'open' ? 'column-main' : 'columns'}>
        <div class="column-main">
          {(source === 'rules' || source === 'accounts') && (
            <Explain query={query} answer={answer} description={description} />
          )}
          <RobotsCard data={data} q={query.q} viewer={viewer} />
          {source !== 'open' && <Rules description={description} />}
        </div>
        <div class="column-side">
          <Accounts accounts={accounts} source={source} />
          <Groups description={description} />
          <Lines title="Issuers" icon="link" lines={description.issuers} />
          <Lines title="Quotas" icon="gauge" lines={description.quotas} />
        </div>
      </div>
    </>
  );
}

const SOURCES: Readonly<Record<AccessDescription['source'], string>> = {
  open: 'This registry has no accounts: everyone who reaches it may do everything. HTPASSWD_FILE and ACCESS_FILE give it some.',
  accounts: 'Every account of HTPASSWD_FILE may do everything. Set ACCESS_FILE to say who may do what.',
  rules: 'The rules of ACCESS_FILE decide. Only what a rule allows is allowed.',
  'token-server': 'The token server that AUTH_TOKEN_REALM names keeps the accounts and decides who may do what.',
};

interface ExplainProps {
  readonly query: AccessQuery;
  readonly answer: AccessExplanation | undefined;
  readonly description: AccessDescription;
}

function Explain({ query, answer, description }: ExplainProps) {
  const { who, repository, action, claims } = query;
  return (
    <Card title="Explain" icon="shield" id="explain">
      <form class="fields" action={ACCESS} method="get">
        <label class="field">
          <span>Who</span>
          <input
            name="who"
            value={who}
            required
            placeholder="alice, robot:ci"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            maxLength={255}
            list="identities"
          />
        </label>
        <datalist id="identities">
          <option value="anonymous" />
          {description.accounts?.slice(0, MAX_SUGGESTED).map(({ name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <label class="field">
          <span>Repository</span>
          <input
            name="repository"
            value={repository}
            required
            placeholder="team/app"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            maxLength={255}
          />
        </label>
        <label class="field">
          <span>Action</span>
          <select name="action">
            <option value="">All actions</option>
            {Object.entries(ACTION_NAMES).map(([name, words]) => (
              <option key={name} value={name} selected={name === action}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="button button-main">
          Explain
        </button>
        {description.issuers.length > 0 && (
          <details class="field field-wide" open={claims !== ''}>
            <summary>Claims of a token</summary>
            <label>
              <span class="muted">One a line: name=value, for oidc:issuer:subject</span>
              <textarea name="claims" rows={3} maxLength={2000}>
                {claims}
              </textarea>
            </label>
          </details>
        )}
      </form>
      {answer !== undefined && <Answer answer={answer} />}
    </Card>
  );
}

/** Accounts that the field suggests. */
const MAX_SUGGESTED = 100;

function Answer({ answer }: { readonly answer: AccessExplanation }) {
  switch (answer.kind) {
    case 'refused':
      return (
        <div class="card-text">
          <Notice tone="bad">{sentence(answer.problem)}</Notice>
        </div>
      );
    case 'explained':
      return <Explanations explained={answer.explained} />;
  }
}

function Explanations({ explained }: { readonly explained: Explained }) {
  const { actor, groups, isUnknown, explanations } = explained;
  return (
    <>
      <p class="card-text explained-who" role="status">
        <b>{actor}</b>
        {groups.length > 0 && <span class="muted">in {groups.join(', ')}</span>}
        {isUnknown && <Badge tone="warm">no such account</Badge>}
      </p>
      <table class="table">
        <caption class="hidden">What the rules decide</caption>
        <TableHead names={['Action', 'Decision', 'Why']} />
        <tbody>
          {explanations.map((each) => (
            <tr key={each.action}>
              <th scope="row">{ACTION_NAMES[each.action]}</th>
              <td>{each.isAllowed ? <Badge tone="good">allowed</Badge> : <Badge tone="bad">denied</Badge>}</td>
              <td class="explained-why">
                <Why explanation={each} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Why({ explanation }: { readonly explanation: Explanation }) {
  const { isAllowed, rule, line, but } = explanation;
  if (rule === undefined) return <>No rule comes near.</>;
  const name = line === undefined ? 'the built-in rule' : `rule ${rule}`;
  const link = <a href={`#rule-${rule}`}>{name}</a>;
  if (isAllowed) return <>Allowed by {link}.</>;
  return (
    <>
      No rule allows it. The nearest is {link}, but {but}.
    </>
  );
}

function Rules({ description: { rules, source } }: { readonly description: AccessDescription }) {
  const shown = rules.slice(0, MAX_RULES);
  return (
    <Card title="Rules" icon="list" aside={<span class="muted">{formatCount(rules.length, 'rule')}</span>}>
      {rules.length === 0 ? (
        <Empty icon="list" title="There are no rules">
          <p>
            {source === 'token-server'
              ? 'What its tokens grant is allowed.'
              : 'Nothing is allowed until ACCESS_FILE has a rule.'}
          </p>
        </Empty>
      ) : (
        <ol class="rules">
          {shown.map(({ number, line, sentence: text }) => (
            <li key={number} id={`rule-${number}`}>
              <span class="rule-number">{number}</span>
              <span class="rule-text">{sentence(text)}</span>
              {line !== undefined && <span class="muted">line {line}</span>}
            </li>
          ))}
        </ol>
      )}
      {rules.length > shown.length && <More count={rules.length - shown.length} />}
    </Card>
  );
}

const MAX_RULES = 500;
/** Of groups, issuers and quotas, and of the members of a group. */
const MAX_LINES = 100;

interface AccountsProps {
  readonly accounts: Listed<AccountSummary> | undefined;
  readonly source: AccessDescription['source'];
}

function Accounts({ accounts, source }: AccountsProps) {
  if (source === 'open') return null;
  const aside = accounts === undefined ? undefined : <span class="muted">{formatNumber(accounts.count)}</span>;
  return (
    <Card title="Accounts" icon="users" aside={aside}>
      {accounts === undefined && (
        <p class="card-text muted">HTPASSWD_FILE is not set: this registry keeps no passwords of its own.</p>
      )}
      {accounts?.count === 0 && <Empty icon="users" title="No account of that name" />}
      {accounts !== undefined && accounts.count > 0 && (
        <ul class="names">
          {accounts.items.map(({ name, groups }) => (
            <li key={name}>
              <a href={accessAddress({ who: name, repository: 'library/app' })} title={`What may ${name} do?`}>
                {name}
              </a>
              {groups.length > 0 && <span class="muted">{groups.join(', ')}</span>}
            </li>
          ))}
        </ul>
      )}
      {accounts !== undefined && accounts.count > accounts.items.length && (
        <More count={accounts.count - accounts.items.length} />
      )}
    </Card>
  );
}

function Groups({ description: { groups } }: { readonly description: AccessDescription }) {
  if (groups.length === 0) return null;
  return (
    <Card title="Groups" icon="users">
      <dl class="names">
        {groups.slice(0, MAX_LINES).map(({ name, members }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="muted">
              {members.length === 0 ? 'no members' : members.slice(0, MAX_LINES).join(', ')}
              {members.length > MAX_LINES && ` and ${formatNumber(members.length - MAX_LINES)} more`}
            </dd>
          </div>
        ))}
      </dl>
      {groups.length > MAX_LINES && <More count={groups.length - MAX_LINES} />}
    </Card>
  );
}

interface LinesProps {
  readonly title: string;
  readonly icon: 'link' | 'gauge';
  readonly lines: readonly string[];
}

function Lines({ title, icon, lines }: LinesProps) {
  if (lines.length === 0) return null;
  return (
    <Card title={title} icon={icon}>
      <ul class="names">
        {lines.slice(0, MAX_LINES).map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {lines.length > MAX_LINES && <More count={lines.length - MAX_LINES} />}
    </Card>
  );
}

function More({ count }: { readonly count: number }) {
  return <p class="card-foot muted">{formatNumber(count)} more are not shown.</p>;
}
