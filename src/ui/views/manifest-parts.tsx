import type { RepositoryName } from '../../oci/names.ts';
import type { RepositoryOverview } from '../../past/interface.ts';
import { manifestAddress } from '../addresses.ts';
import { Badge, Card, DigestText, Empty, Size } from '../components/basics.tsx';
import { LayerBar } from '../components/layer-bar.tsx';
import { cut, formatBytes, formatCount } from '../format.ts';
import type { PlatformRow } from '../load/load-manifest.ts';
import type { BuildStep } from '../models/image-config.ts';
import type { Part } from '../models/manifest-model.ts';

const MAX_COMMAND = 600;
const MAX_TITLE = 200;
const MAX_ROWS = 300;
const COLOURS = 6;

interface PlatformsProps {
  readonly repo: RepositoryName;
  readonly rows: readonly PlatformRow[];
  readonly overview: RepositoryOverview;
}

/** The images of an index. */
export function PlatformsCard({ repo, rows, overview }: PlatformsProps) {
  return (
    <section class="card card-flush">
      <header class="card-head">
        <h2>Platforms</h2>
        <span class="muted">{formatCount(rows.length, 'manifest')}</span>
      </header>
      {rows.length === 0 ? (
        <Empty icon="layers" title="An index without manifests" />
      ) : (
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Platform</th>
              <th scope="col">Digest</th>
              <th scope="col" class="number">
                Size
              </th>
            </tr>
          </thead>
          <tbody>
            {rows
              .slice(0, MAX_ROWS)
              .map(({ digest, platform, artifactType, mediaType, total, size, attestations }, at) => (
                <tr key={at}>
                  <th scope="row">
                    {cut(platform ?? artifactType ?? mediaType, MAX_TITLE)}
                    <span class="badges">{attestations.length > 0 && <Badge tone="accent">Attested</Badge>}</span>
                    {attestations.length > 0 && (
                      <ul class="folded">
                        {attestations.map((each) => (
                          <li key={each.digest}>
                            Attestation{' '}
                            <DigestText
                              digest={each.digest}
                              href={manifestAddress(repo, { kind: 'digest', digest: each.digest })}
                            />
                          </li>
                        ))}
                      </ul>
                    )}
                  </th>
                  <td data-label="Digest">
                    {overview.manifest(digest) === undefined ? (
                      <>
                        <DigestText digest={digest} /> <Badge tone="warm">Not here</Badge>
                      </>
                    ) : (
                      <DigestText digest={digest} href={manifestAddress(repo, { kind: 'digest', digest })} />
                    )}
                  </td>
                  <td data-label="Size" class="number">
                    <Size bytes={total ?? size} />
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** The layers of an image, with the commands that made them. */
export function LayersCard({ steps }: { readonly steps: readonly BuildStep[] }) {
  const layers = steps.flatMap(({ layer }) => (layer === undefined ? [] : [layer]));
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
        {steps.slice(0, MAX_ROWS).map(({ layer, command }, at) => (
          <li key={at} class={layer === undefined ? 'step step-empty' : `step bar-${number++ % COLOURS}`}>
            <div class="step-command">
              {command === undefined ? <span class="muted">Layer</span> : <CommandText command={command} />}
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

const INSTRUCTION = /^[A-Z]{3,11}(?= )/;

/** A line of a Dockerfile, its instruction apart. */
function CommandText({ command }: { readonly command: string }) {
  const shown = cut(command, MAX_COMMAND);
  const [instruction = ''] = INSTRUCTION.exec(shown) ?? [];
  return (
    <code>
      {instruction !== '' && <b>{instruction}</b>}
      {shown.slice(instruction.length)}
    </code>
  );
}

/** The parts of what is no image: files, charts, models, signatures. */
export function PartsCard({ parts }: { readonly parts: readonly Part[] }) {
  return (
    <section class="card card-flush">
      <header class="card-head">
        <h2>Content</h2>
        <span class="muted">{formatCount(parts.length, 'part')}</span>
      </header>
      {parts.length === 0 ? (
        <Empty icon="file" title="No content beside its annotations" />
      ) : (
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Name or type</th>
              <th scope="col">Digest</th>
              <th scope="col" class="number">
                Size
              </th>
            </tr>
          </thead>
          <tbody>
            {parts.slice(0, MAX_ROWS).map(({ digest, mediaType, size, annotations }, at) => (
              <tr key={at}>
                <th scope="row">
                  {cut(annotations.get('org.opencontainers.image.title') ?? mediaType, MAX_TITLE)}
                  {annotations.has('org.opencontainers.image.title') && (
                    <span class="under">{cut(mediaType, MAX_TITLE)}</span>
                  )}
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
      )}
    </section>
  );
}
