import type { ChartDetails, ConfigDetails, Texts } from '../../inspection/interface.ts';
import { Badge, Breakable, BreakableName, Card, OutsideLink, Time } from '../components/basics.tsx';
import { cut } from '../format.ts';
import type { Child } from '../jsx/jsx-runtime.js';

const MAX_VALUE = 1_000;
/** Longer groups are closed at first. */
const MAX_OPEN = 12;

/** How an image runs. */
export function ConfigCard({ config, now }: { readonly config: ConfigDetails; readonly now: number }) {
  const { entrypoint, cmd, workingDir, user, ports, volumes, created, author, env, stopSignal } = config;
  const labels = Object.entries(config.labels);
  return (
    <Card title="Config" icon="list">
      <dl class="pairs">
        {entrypoint.length > 0 && <Pair name="Entrypoint">{wordsOf(entrypoint)}</Pair>}
        {cmd.length > 0 && <Pair name="Command">{wordsOf(cmd)}</Pair>}
        {workingDir !== undefined && (
          <Pair name="Working directory">
            <code>{cut(workingDir, MAX_VALUE)}</code>
          </Pair>
        )}
        <Pair name="User">
          {user === undefined || user === '' ? (
            <span class="muted">not set (root)</span>
          ) : (
            <code>{cut(user, MAX_VALUE)}</code>
          )}
        </Pair>
        {ports.length > 0 && <Pair name="Ports">{wordsOf(ports)}</Pair>}
        {volumes.length > 0 && <Pair name="Volumes">{wordsOf(volumes)}</Pair>}
        {stopSignal !== undefined && <Pair name="Stop signal">{cut(stopSignal, MAX_VALUE)}</Pair>}
        {author !== undefined && <Pair name="Author">{cut(author, MAX_VALUE)}</Pair>}
        {created !== undefined && (
          <Pair name="Built">
            <Time at={Date.parse(created)} now={now} />
          </Pair>
        )}
      </dl>
      {env.length > 0 && (
        <Group title="Environment" count={env.length}>
          {env.map((variable, at) => {
            const equals = variable.indexOf('=');
            return (
              <Pair key={at} name={cut(equals < 0 ? variable : variable.slice(0, equals), MAX_VALUE)}>
                <code>{cut(equals < 0 ? '' : variable.slice(equals + 1), MAX_VALUE)}</code>
              </Pair>
            );
          })}
        </Group>
      )}
      {labels.length > 0 && (
        <Group title="Labels" count={labels.length}>
          {labels.map(([name, value]) => (
            <Pair key={name} name={cut(name, MAX_VALUE)}>
              <Breakable text={cut(value, MAX_VALUE)} />
            </Pair>
          ))}
        </Group>
      )}
    </Card>
  );
}

/** What a Helm chart says of itself. */
export function ChartCard({ chart }: { readonly chart: ChartDetails }) {
  const { name, version, appVersion, type, kubeVersion, deprecated, keywords, maintainers, dependencies, values } =
    chart;
  return (
    <Card title="Chart" icon="list" aside={deprecated ? <Badge tone="warm">Deprecated</Badge> : undefined}>
      <dl class="pairs">
        {name !== undefined && <Pair name="Name">{cut(name, MAX_VALUE)}</Pair>}
        {version !== undefined && <Pair name="Version">{cut(version, MAX_VALUE)}</Pair>}
        {appVersion !== undefined && <Pair name="Application">{cut(appVersion, MAX_VALUE)}</Pair>}
        {type !== undefined && <Pair name="Type">{cut(type, MAX_VALUE)}</Pair>}
        {kubeVersion !== undefined && <Pair name="Kubernetes">{cut(kubeVersion, MAX_VALUE)}</Pair>}
        {keywords.length > 0 && <Pair name="Keywords">{wordsOf(keywords)}</Pair>}
        {maintainers.length > 0 && (
          <Pair name="Maintainers">
            {maintainers.map((each, at) => (
              <div key={at}>
                {each.url === undefined ? (
                  cut(each.name, MAX_VALUE)
                ) : (
                  <OutsideLink href={each.url}>{cut(each.name, MAX_VALUE)}</OutsideLink>
                )}
              </div>
            ))}
          </Pair>
        )}
      </dl>
      {dependencies.length > 0 && (
        <Group title="Dependencies" count={dependencies.length}>
          {dependencies.map((each, at) => (
            <Pair key={at} name={cut(each.name, MAX_VALUE)}>
              {cut([each.version, each.repository].filter((part) => part !== undefined).join(' from '), MAX_VALUE)}
            </Pair>
          ))}
        </Group>
      )}
      {values !== undefined && (
        <details class="group">
          <summary>Values</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it. */}
          <pre class="chart-values" tabIndex={0}>
            <code>{values.text}</code>
          </pre>
          {values.isCut && <p class="card-text muted">Only the beginning of values.yaml is shown.</p>}
        </details>
      )}
    </Card>
  );
}

/** What the config of an AI model or of WebAssembly says. */
export function FactsCard({ title, facts }: { readonly title: string; readonly facts: Texts }) {
  const pairs = Object.entries(facts);
  if (pairs.length === 0) return null;
  return (
    <Card title={title} icon="list">
      <dl class="pairs">
        {pairs.map(([name, value]) => (
          <Pair key={name} name={cut(name, MAX_VALUE)}>
            {cut(value, MAX_VALUE)}
          </Pair>
        ))}
      </dl>
    </Card>
  );
}

export function Pair({ name, children }: { readonly name: string; readonly children: Child }) {
  return (
    <div>
      <dt>
        <BreakableName text={name} />
      </dt>
      <dd>{children}</dd>
    </div>
  );
}

interface GroupProps {
  readonly title: string;
  readonly count: number;
  readonly children: Child;
}

export function Group({ title, count, children }: GroupProps) {
  return (
    <details class="group" open={count <= MAX_OPEN}>
      <summary>
        {title} <span class="muted">{count}</span>
      </summary>
      <dl class="pairs">{children}</dl>
    </details>
  );
}

function wordsOf(list: readonly string[]) {
  return (
    <span class="words">
      {list.map((each, at) => (
        <code key={at}>{cut(each, MAX_VALUE)}</code>
      ))}
    </span>
  );
}
