import type { Attached, LayerDetails, ManifestDetails } from '../../inspection/interface.ts';
import type { Sharers } from '../../overview/interface.ts';
import { digestAddress, type Place } from '../addresses.ts';
import { Badge, BreakableName, Card, DigestText, Size } from '../components/basics.tsx';
import { CommandText } from '../components/command-text.tsx';
import { COLOURS, LayerBar } from '../components/layer-bar.tsx';
import { SharedWith } from '../components/shared-with.tsx';
import { TableHead } from '../components/table-head.tsx';
import { cut, formatBytes, formatCount } from '../format.ts';
import { KIND_NAMES } from '../models/content-kind.ts';

const MAX_TITLE = 200;
const MAX_ROWS = 300;

/** Other repositories with the parts of a manifest. */
export type SharersOf = ReadonlyMap<string, Sharers>;

interface PlatformsProps {
  readonly repo: Place;
  readonly details: ManifestDetails;
  readonly sharers: SharersOf;
}

/** The images of an index. */
export function PlatformsCard({ repo, details: { platforms, attached }, sharers }: PlatformsProps) {
  return (
    <Card title="Platforms" icon="layers" note={formatCount(platforms.length, 'manifest')}>
      <table class="table">
        <TableHead names={['Platform', 'Digest']} numbers={['Size']} />
        <tbody>
          {platforms.slice(0, MAX_ROWS).map(({ digest, platform, mediaType, total }, at) => (
            <tr key={at}>
              <th scope="row">
                {cut(platform ?? mediaType, MAX_TITLE)}
                <SharedWith sharers={sharers.get(digest)} />
                <Folded
                  repo={repo}
                  attached={attached.filter(({ via, subject }) => via === 'index' && subject === digest)}
                />
              </th>
              <td data-label="Digest">
                <DigestText digest={digest} href={total === undefined ? undefined : digestAddress(repo, digest)} />
                {total === undefined && <Badge tone="warm">Not here</Badge>}
              </td>
              <td data-label="Size" class="number">
                {total === undefined ? '–' : <Size bytes={total} />}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

/** Attestations that are in the same index as what they attest. */
function Folded({ repo, attached }: { readonly repo: Place; readonly attached: readonly Attached[] }) {
  if (attached.length === 0) return null;
  return (
    <ul class="folded">
      {attached.map(({ digest, kind, documents }) => (
        <li key={digest}>
          {KIND_NAMES[kind]} <DigestText digest={digest} href={digestAddress(repo, digest)} />
          {documents.attestations.slice(0, 3).map(({ predicateType }) => (
            <span key={predicateType} class="under">
              {cut(predicateType, MAX_TITLE)}
            </span>
          ))}
        </li>
      ))}
    </ul>
  );
}

interface Step {
  readonly command: string | undefined;
  readonly layer: LayerDetails | undefined;
}

/** The steps of a build; without a history the layers. */
function stepsOf({ history, layers }: ManifestDetails): Step[] {
  if (history.length === 0) return layers.map((layer) => ({ command: layer.command, layer }));
  const byDigest = new Map(layers.map((layer) => [layer.digest, layer]));
  const steps = history.map(({ command, layer }): Step => {
    return { command, layer: layer === undefined ? undefined : byDigest.get(layer) };
  });
  // A history may know less than there is.
  const told = new Set(history.map(({ layer }) => layer));
  return [...steps, ...layers.flatMap((layer) => (told.has(layer.digest) ? [] : [{ command: undefined, layer }]))];
}

/** The layers of an image, with the commands that made them. */
export function LayersCard({ details, sharers }: { readonly details: ManifestDetails; readonly sharers: SharersOf }) {
  const { layers } = details;
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  let number = 0;
  return (
    <Card
      title="Layers"
      icon="layers"
      aside={<span class="muted">{`${formatCount(layers.length, 'layer')}, ${formatBytes(total)}`}</span>}
    >
      {layers.length > 0 && <LayerBar layers={layers} />}
      <ol class="steps">
        {stepsOf(details)
          .slice(0, MAX_ROWS)
          .map(({ layer, command }, at) => (
            <li key={at} class={layer === undefined ? 'step step-empty' : `step bar-${number++ % COLOURS}`}>
              <div class="step-command">
                {command === undefined ? <span class="muted">Layer</span> : <CommandText command={command} />}
                {layer !== undefined && <SharedWith sharers={sharers.get(layer.digest)} />}
              </div>
              {layer !== undefined && (
                <div class="step-about">
                  <Size bytes={layer.size} />
                  <DigestText digest={layer.digest} />
                </div>
              )}
            </li>
          ))}
      </ol>
    </Card>
  );
}

const TITLE = 'org.opencontainers.image.title';

/** The parts of what is no image: files, charts, models, signatures. */
export function PartsCard({
  layers,
  sharers,
}: {
  readonly layers: readonly LayerDetails[];
  readonly sharers: SharersOf;
}) {
  return (
    <Card title="Content" icon="file" note={formatCount(layers.length, 'part')}>
      <table class="table">
        <TableHead names={['Name or type', 'Digest']} numbers={['Size']} />
        <tbody>
          {layers.slice(0, MAX_ROWS).map(({ digest, mediaType, size, annotations }, at) => (
            <tr key={at}>
              <th scope="row">
                <BreakableName text={cut(annotations[TITLE] ?? mediaType, MAX_TITLE)} />
                {annotations[TITLE] !== undefined && <span class="under">{cut(mediaType, MAX_TITLE)}</span>}
                <SharedWith sharers={sharers.get(digest)} />
              </th>
              <td data-label="Digest">
                <DigestText digest={digest} />
              </td>
              <td data-label="Size" class="number">
                <Size bytes={size} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}
