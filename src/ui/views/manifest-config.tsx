import { Card, Time } from '../components/basics.tsx';
import { JsonText } from '../components/json-text.tsx';
import { cut, formatBytes } from '../format.ts';
import type { Child } from '../jsx/jsx-runtime.js';
import type { ReadJson } from '../load/content-reader.ts';
import type { ArtifactKind } from '../models/artifact-kind.ts';
import type { ImageConfig } from '../models/image-config.ts';
import type { Part } from '../models/manifest-model.ts';

const MAX_VALUE = 1_000;

/** How an image runs. */
export function ConfigCard({ config, now }: { readonly config: ImageConfig; readonly now: number }) {
  const { entrypoint, command, workingDirectory, user, ports, volumes, created, environment, labels } = config;
  return (
    <Card title="Config" icon="list">
      <dl class="pairs">
        {entrypoint.length > 0 && <Pair name="Entrypoint">{argumentsOf(entrypoint)}</Pair>}
        {command.length > 0 && <Pair name="Command">{argumentsOf(command)}</Pair>}
        {workingDirectory !== undefined && (
          <Pair name="Working directory">
            <code>{cut(workingDirectory, MAX_VALUE)}</code>
          </Pair>
        )}
        <Pair name="User">
          {user === undefined ? <span class="muted">not set (root)</span> : <code>{cut(user, MAX_VALUE)}</code>}
        </Pair>
        {ports.length > 0 && <Pair name="Ports">{argumentsOf(ports)}</Pair>}
        {volumes.length > 0 && <Pair name="Volumes">{argumentsOf(volumes)}</Pair>}
        {created !== undefined && (
          <Pair name="Built">
            <Time at={created} now={now} />
          </Pair>
        )}
      </dl>
      {environment.length > 0 && (
        <Group title="Environment" count={environment.length}>
          {environment.map((variable, at) => {
            const equals = variable.indexOf('=');
            return (
              <Pair key={at} name={cut(equals < 0 ? variable : variable.slice(0, equals), MAX_VALUE)}>
                <code>{cut(equals < 0 ? '' : variable.slice(equals + 1), MAX_VALUE)}</code>
              </Pair>
            );
          })}
        </Group>
      )}
      {labels.size > 0 && (
        <Group title="Labels" count={labels.size}>
          {Array.from(labels, ([name, value]) => (
            <Pair key={name} name={cut(name, MAX_VALUE)}>
              {cut(value, MAX_VALUE)}
            </Pair>
          ))}
        </Group>
      )}
    </Card>
  );
}

function Pair({ name, children }: { readonly name: string; readonly children: Child }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Group({
  title,
  count,
  children,
}: {
  readonly title: string;
  readonly count: number;
  readonly children: Child;
}) {
  return (
    <details class="group" open={count <= 12}>
      <summary>
        {title} <span class="muted">{count}</span>
      </summary>
      <dl class="pairs">{children}</dl>
    </details>
  );
}

function argumentsOf(list: readonly string[]) {
  return (
    <span class="words">
      {list.map((each, at) => (
        <code key={at}>{cut(each, MAX_VALUE)}</code>
      ))}
    </span>
  );
}

const TITLES: Partial<Readonly<Record<ArtifactKind, string>>> = {
  'helm-chart': 'Chart',
  'ai-model': 'Model',
  wasm: 'Module',
};

interface OtherConfigProps {
  readonly config: Part | undefined;
  readonly json: ReadJson;
  readonly kind: ArtifactKind;
}

/** The config of what is no image, such as the Chart.yaml of a Helm chart. */
export function OtherConfigCard({ config, json, kind }: OtherConfigProps) {
  if (config === undefined || json.kind === 'none') return null;
  return (
    <Card title={TITLES[kind] ?? 'Config'} icon="list" aside={<span class="muted">{cut(config.mediaType, 80)}</span>}>
      {json.kind === 'too-large' ? (
        <p class="card-text muted">It has {formatBytes(json.size)}, too many to be shown here.</p>
      ) : (
        <JsonText text={JSON.stringify(json.json)} />
      )}
    </Card>
  );
}
