import type { AccessSource, RobotSecret, RobotSummary } from '../../access/admin/interface.ts';
import { accessAddress, ROBOTS } from '../addresses.ts';
import { Badge, Card, Command, Empty, Notice, Time } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { FormToken } from '../document.tsx';
import { formatActor, formatCount, formatNumber, formatTime, sentence } from '../format.ts';
import type { AccessData } from '../load/load-access.ts';
import type { Viewer } from '../viewer.ts';

interface RobotsProps {
  readonly data: Pick<AccessData, 'robots' | 'description' | 'changesRefused'>;
  readonly q: string;
  readonly viewer: Viewer;
}

/** The accounts of machines, with forms to create, rotate and revoke them. */
export function RobotsCard({ data: { robots, description, changesRefused }, q, viewer }: RobotsProps) {
  const { source } = description;
  const mayAct = viewer.passive === undefined && changesRefused === undefined;
  return (
    <Card title="Robots" icon="robot" aside={<span class="muted">{formatCount(robots.count, 'robot')}</span>}>
      {robots.count === 0 ? (
        <NoRobots source={source} q={q} />
      ) : (
        <table class="table">
          <caption class="hidden">Robots</caption>
          <thead>
            <tr>
              <th scope="col">Robot</th>
              <th scope="col">Secret</th>
              <th scope="col">Expires</th>
              {mayAct && (
                <th scope="col">
                  <span class="hidden">Actions</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {robots.items.map((robot) => (
              <RobotRow key={robot.name} robot={robot} mayAct={mayAct} viewer={viewer} />
            ))}
          </tbody>
        </table>
      )}
      {robots.count > robots.items.length && (
        <p class="card-foot muted">
          {formatNumber(robots.count - robots.items.length)} more are not shown: find them by their names.
        </p>
      )}
      {mayAct && <CreateForm viewer={viewer} />}
      {source !== 'open' && changesRefused !== undefined && (
        <p class="card-foot muted">{sentence(changesRefused.message)}</p>
      )}
      {source === 'open' && robots.count > 0 && (
        <p class="card-foot muted">Without accounts robots cannot log in. “marina robot” manages them.</p>
      )}
    </Card>
  );
}

function NoRobots({ source, q }: { readonly source: AccessSource; readonly q: string }) {
  if (q !== '') return <Empty icon="robot" title="No robot has such a name" />;
  return (
    <Empty icon="robot" title="There are no robots">
      <p>
        {source === 'open'
          ? 'Robots are accounts for machines. They need a registry with accounts.'
          : 'Robots are accounts for machines, such as the jobs of a build server. What they may do is in the rules.'}
      </p>
    </Empty>
  );
}

interface RowProps {
  readonly robot: RobotSummary;
  readonly mayAct: boolean;
  readonly viewer: Viewer;
}

function RobotRow({ robot, mayAct, viewer }: RowProps) {
  const { name, createdAt, createdBy, rotatedAt, expires, isExpired } = robot;
  return (
    <tr>
      <th scope="row">
        <a class="row-link" href={accessAddress({ who: `robot:${name}`, repository: 'library/app' })}>
          {name}
        </a>
        <span class="under">
          created <Time at={Date.parse(createdAt)} now={viewer.now} /> by {formatActor(createdBy)}
        </span>
      </th>
      <td data-label="Secret">
        <Time at={Date.parse(rotatedAt ?? createdAt)} now={viewer.now} />
      </td>
      <td data-label="Expires">
        <Expiry expires={expires} isExpired={isExpired} />
      </td>
      {mayAct && (
        <td class="row-actions">
          <form action={ROBOTS} method="post">
            <FormToken viewer={viewer} />
            <input type="hidden" name="name" value={name} />
            <button type="submit" class="button button-small" name="change" value="rotate">
              Rotate<span class="hidden"> {name}</span>
            </button>
            <button type="submit" class="button button-small button-danger" name="change" value="revoke">
              Revoke<span class="hidden"> {name}</span>
            </button>
          </form>
        </td>
      )}
    </tr>
  );
}

function CreateForm({ viewer }: { readonly viewer: Viewer }) {
  return (
    <form class="fields fields-foot" action={ROBOTS} method="post">
      <FormToken viewer={viewer} />
      <input type="hidden" name="change" value="create" />
      <label class="field">
        <span>New robot</span>
        <input
          name="name"
          required
          placeholder="ci-app"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          maxLength={64}
        />
      </label>
      <LifetimeField hint="for ever, or 90d" />
      <button type="submit" class="button">
        Create
      </button>
    </form>
  );
}

function LifetimeField({ hint }: { readonly hint: string }) {
  return (
    <label class="field">
      <span>Lifetime</span>
      <input name="lifetime" placeholder={hint} autocomplete="off" spellcheck={false} maxLength={12} />
    </label>
  );
}

interface ConfirmProps {
  readonly change: 'rotate' | 'revoke';
  readonly robot: RobotSummary;
  readonly viewer: Viewer;
}

/** Says what ends before it ends. */
export function ConfirmRobot({ change, robot, viewer }: ConfirmProps) {
  const { name, expires, isExpired } = robot;
  return (
    <>
      <Back />
      <h1>
        {change === 'rotate' ? 'Rotate' : 'Revoke'} {name}?
      </h1>
      <Card title={change === 'rotate' ? 'What a rotation does' : 'What goes'} icon="robot">
        <p class="card-text">
          {change === 'rotate'
            ? 'The robot gets a new secret, which is shown once. Its old secret and all its tokens end within five seconds on every node.'
            : 'The robot is removed. Its secret and all its tokens end within five seconds on every node. What it has pushed stays.'}
        </p>
        <form class="fields fields-foot" action={ROBOTS} method="post">
          <FormToken viewer={viewer} />
          <input type="hidden" name="change" value={change} />
          <input type="hidden" name="name" value={name} />
          <input type="hidden" name="confirmed" value="yes" />
          {change === 'rotate' && <LifetimeField hint={lifetimeHint({ expires, isExpired })} />}
          <button type="submit" class={change === 'rotate' ? 'button button-main' : 'button button-danger'}>
            {change === 'rotate' ? 'Rotate' : 'Revoke'}
          </button>
          <a class="button" href={accessAddress()}>
            Keep
          </a>
        </form>
      </Card>
    </>
  );
}

interface SecretProps {
  readonly given: RobotSecret;
  readonly verb: 'created' | 'rotated';
  readonly viewer: Viewer;
}

/** The only page that shows the secret. */
export function RobotSecretPage({ given, verb, viewer }: SecretProps) {
  const { name, login, secret, expires } = given;
  return (
    <>
      <Back />
      <h1>
        {name} was {verb}
      </h1>
      <Notice tone="warm" icon="lock">
        Copy the secret now: it is not shown again, and nobody can read it from the registry.
      </Notice>
      <Card title="Credentials" icon="key">
        <dl class="pairs">
          <div>
            <dt>User name</dt>
            <dd>
              <Command text={login} />
            </dd>
          </div>
          <div>
            <dt>Secret</dt>
            <dd>
              <Command text={secret} />
            </dd>
          </div>
          <div>
            <dt>Log in</dt>
            <dd>
              <Command text={`docker login ${viewer.host} --username ${login}`} />
            </dd>
          </div>
          <div>
            <dt>Expires</dt>
            <dd>{expires === undefined ? 'never' : formatTime(Date.parse(expires))}</dd>
          </div>
        </dl>
        <p class="card-foot">
          <span class="muted">What it may do is in the rules for robot:{name}.</span>
          <a class="button" href={accessAddress({ who: `robot:${name}`, repository: 'library/app' })}>
            <Icon name="shield" />
            Explain
          </a>
        </p>
      </Card>
    </>
  );
}

function Back() {
  return (
    <nav class="crumbs" aria-label="Path">
      <ol>
        <li>
          <a href={accessAddress()}>Access</a>
        </li>
      </ol>
    </nav>
  );
}

interface ExpiryProps {
  readonly expires: string | undefined;
  readonly isExpired: boolean;
}

function Expiry({ expires, isExpired }: ExpiryProps) {
  if (expires === undefined) return 'never';
  if (isExpired) return <Badge tone="bad">expired</Badge>;
  return (
    <time dateTime={expires} title={formatTime(Date.parse(expires))}>
      {expires.slice(0, 10)}
    </time>
  );
}

/** How long the new secret would be valid if nothing is said. */
function lifetimeHint({ expires, isExpired }: ExpiryProps): string {
  if (expires === undefined) return 'for ever';
  return isExpired ? 'such as 90d' : `until ${expires.slice(0, 10)}`;
}
