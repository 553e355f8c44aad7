import type { LayerChange, ManifestComparison, PackageChange } from '../../inspection/interface.ts';
import type { FieldDifference } from '../../past/manifest-diff.ts';
import { compareAddress, digestAddress, type Place } from '../addresses.ts';
import { BreakableName, Card, DigestText, NotShown, Size } from '../components/basics.tsx';
import { ChangeMark, kindOfChange } from '../components/change-mark.tsx';
import { CommandText } from '../components/command-text.tsx';
import { ComparedBars } from '../components/compared-bars.tsx';
import { TableHead } from '../components/table-head.tsx';
import { cut, formatBytes, formatCount, formatNumber } from '../format.ts';
import type { ComparisonRequest } from '../load/load-comparison.ts';
import { groupFields } from '../models/field-groups.ts';

const MAX_ROWS = 300;
const MAX_TEXT = 200;
const MAX_VALUE = 1_000;

interface PlatformsProps {
  readonly request: ComparisonRequest;
  readonly comparison: ManifestComparison;
  readonly places: { readonly from: Place; readonly to: Place };
}

/** The images of indexes by platform: choose one, and its images are compared. */
export function PlatformsCard({ request, comparison: { platforms }, places }: PlatformsProps) {
  const { a, b } = request;
  return (
    <Card
      title="Platforms"
      icon="layers"
      aside={
        request.platform === '' ? undefined : (
          <a class="button button-small" href={compareAddress({ a, b })}>
            All platforms
          </a>
        )
      }
    >
      <table class="table compared">
        <thead>
          <tr>
            <th scope="col">Platform</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
            <th scope="col" class="number">
              <span class="hidden">Compare</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {platforms.slice(0, MAX_ROWS).map(({ change, platform, from, to }, at) => (
            <tr key={at} aria-current={platform !== undefined && platform === request.platform ? 'true' : undefined}>
              <th scope="row">
                <ChangeMark change={change} /> {cut(platform ?? 'no platform', MAX_TEXT)}
              </th>
              <td data-label="Before">
                <Digest digest={from} place={places.from} />
              </td>
              <td data-label="After">
                <Digest digest={to} place={places.to} />
              </td>
              <td class="number">
                {platform !== undefined && change === 'changed' && platform !== request.platform && (
                  <a class="button button-small" href={compareAddress({ a, b, platform })}>
                    Compare
                  </a>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <NotShown count={platforms.length - MAX_ROWS} />
    </Card>
  );
}

function Digest({ digest, place }: { readonly digest: string | undefined; readonly place: Place }) {
  if (digest === undefined) return <span class="muted">–</span>;
  return <DigestText digest={digest} href={digestAddress(place, digest)} />;
}

/** The layers, those that are gone where they were, with their sizes side by side. */
export function LayersCard({ comparison: { layers } }: { readonly comparison: ManifestComparison }) {
  return (
    <Card title="Layers" icon="layers" note={sumsOf(layers)}>
      <ComparedBars layers={layers} />
      <table class="table compared">
        <TableHead names={['Layer', 'Digest']} numbers={['Before', 'After']} />
        <tbody>
          {layers.slice(0, MAX_ROWS).map((layer, at) => (
            <LayerRow key={at} layer={layer} />
          ))}
        </tbody>
      </table>
      <NotShown count={layers.length - MAX_ROWS} />
    </Card>
  );
}

function LayerRow({ layer: { change, digest, mediaType, size, command } }: { readonly layer: LayerChange }) {
  return (
    <tr class={`row-${change}`}>
      <th scope="row">
        <span class="marked">
          <ChangeMark change={change} />
          <span class="layer-command">
            {command === undefined ? (
              <span class="muted">{cut(mediaType, MAX_TEXT)}</span>
            ) : (
              <CommandText command={command} />
            )}
          </span>
        </span>
      </th>
      <td data-label="Digest">
        <DigestText digest={digest} />
      </td>
      <td data-label="Before" class="number">
        {change === 'added' ? <span class="muted">–</span> : <Size bytes={size} />}
      </td>
      <td data-label="After" class="number">
        {change === 'gone' ? <span class="muted">–</span> : <Size bytes={size} />}
      </td>
    </tr>
  );
}

/** `3 same, 2 added (1.20 MiB), 1 gone (900 KiB)` */
function sumsOf(layers: readonly LayerChange[]): string {
  const parts = (['same', 'added', 'gone'] as const).flatMap((change) => {
    const own = layers.filter((layer) => layer.change === change);
    const bytes = own.reduce((sum, { size }) => sum + size, 0);
    if (own.length === 0) return [];
    return [`${formatNumber(own.length)} ${change} (${formatBytes(bytes)})`];
  });
  return parts.join(', ');
}

/** Fields of manifests and configs that differ. */
export function FieldsCard({ fields }: { readonly fields: readonly FieldDifference[] }) {
  const shown = fields.slice(0, MAX_ROWS);
  return (
    <Card title="Config and annotations" icon="list" note={formatCount(fields.length, 'difference')}>
      <table class="table compared values">
        <ValueHead name="Name" />
        {groupFields(shown).map(({ title, fields: own }) => (
          <tbody key={title}>
            <tr class="group-row">
              <th scope="rowgroup" colSpan={3}>
                {title}
              </th>
            </tr>
            {own.map(({ field, from, to }) => (
              <ValueRow key={field} name={cut(field, MAX_TEXT)} from={from} to={to} />
            ))}
          </tbody>
        ))}
      </table>
      <NotShown count={fields.length - MAX_ROWS} />
    </Card>
  );
}

/** Packages in the bills of materials that differ. */
export function PackagesCard({ packages }: { readonly packages: NonNullable<ManifestComparison['packages']> }) {
  const { items, count, same } = packages;
  return (
    <Card
      title="Packages"
      icon="box"
      note={
        <>
          {formatCount(count, 'change')}, {formatNumber(same)} the same
        </>
      }
    >
      {items.length === 0 ? (
        <p class="card-text muted">Both bills of materials have the same packages.</p>
      ) : (
        <table class="table compared values">
          <ValueHead name="Package" />
          <tbody>
            {items.slice(0, MAX_ROWS).map(({ name, from, to, change }, at) => (
              <ValueRow
                key={at}
                name={cut(name, MAX_TEXT)}
                from={versionOf(from, change !== 'added')}
                to={versionOf(to, change !== 'gone')}
              />
            ))}
          </tbody>
        </table>
      )}
      <NotShown count={count - MAX_ROWS} />
    </Card>
  );
}

/** A package without a version is there, too. */
function versionOf(version: PackageChange['from'], isThere: boolean): string | undefined {
  if (!isThere) return undefined;
  return version === undefined || version === '' ? 'no version' : version;
}

function ValueHead({ name }: { readonly name: string }) {
  return <TableHead names={[name, 'Before', 'After']} />;
}

interface ValueProps {
  readonly name: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

function ValueRow({ name, from, to }: ValueProps) {
  return (
    <tr>
      <th scope="row">
        <span class="marked">
          <ChangeMark change={kindOfChange(from, to)} />
          <span>
            <BreakableName text={name} />
          </span>
        </span>
      </th>
      <td data-label="Before">
        <Value text={from} />
      </td>
      <td data-label="After">
        <Value text={to} />
      </td>
    </tr>
  );
}

function Value({ text }: { readonly text: string | undefined }) {
  if (text === undefined) return <span class="muted">–</span>;
  // An empty text, and an object without fields, say by their name that they are there.
  if (text === '' || text === '{}') return <span class="muted">set</span>;
  return <code>{cut(text, MAX_VALUE)}</code>;
}
