import type { ComparedSide } from '../../inspection/interface.ts';
import { type Comparable, repositoryOf } from '../../past/comparable.ts';
import { COMPARE, compareAddress, manifestAddress, type Place } from '../addresses.ts';
import { Badge, DigestText, Empty, Notice, Size } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { PathName } from '../components/repository-path.tsx';
import { formatTime, sentence, shortDigest } from '../format.ts';
import type { ComparisonData, ComparisonRequest } from '../load/load-comparison.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { sizeChange } from '../models/size-change.ts';
import { FieldsCard, LayersCard, PackagesCard, PlatformsCard } from './compare-parts.tsx';
import { RepositoryComparison } from './compare-repositories.tsx';

interface CompareProps {
  readonly data: ComparisonData;
  readonly request: ComparisonRequest;
}

/** What differs between two manifests, or two moments of a repository. */
export function Compare({ data, request }: CompareProps) {
  const { result, choices } = data;
  const { a, b, platform } = request;
  return (
    <>
      <div class="title-row">
        <h1>Compare</h1>
        {a !== '' && b !== '' && (
          <a class="button button-quiet" href={compareAddress({ a: b, b: a, platform })}>
            <Icon name="swap" />
            Swap sides
          </a>
        )}
      </div>
      <ChooseForm request={request} choices={choices} />
      {result.kind === 'unchosen' && <Unchosen request={request} choices={choices} />}
      {result.kind === 'problem' && (
        <>
          <Notice tone="bad">{sentence(result.message)}</Notice>
          <Forms />
        </>
      )}
      {result.kind === 'manifests' && <ManifestsCompared request={request} result={result} />}
      {result.kind === 'repositories' && <RepositoryComparison result={result} />}
    </>
  );
}

interface ChooseProps {
  readonly request: ComparisonRequest;
  readonly choices: readonly string[];
}

function ChooseForm({ request: { a, b, platform }, choices }: ChooseProps) {
  return (
    <form class="card choose" action={COMPARE} method="get">
      <Side name="a" label="Before" value={a} />
      <Side name="b" label="After" value={b} />
      {platform !== '' && <input type="hidden" name="platform" value={platform} />}
      <button type="submit" class="button button-main">
        Compare
      </button>
      <datalist id="choices">
        {choices.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </form>
  );
}

function Side({ name, label, value }: { readonly name: 'a' | 'b'; readonly label: string; readonly value: string }) {
  return (
    <label class="field">
      {label}
      <input
        type="text"
        name={name}
        value={value}
        list="choices"
        placeholder="team/app:v1"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        maxLength={512}
      />
    </label>
  );
}

/** What to choose from, when one side is missing. */
function Unchosen({ request: { a, b }, choices }: ChooseProps) {
  const chosen = a === '' ? b : a;
  const others = choices.filter((each) => each !== chosen);
  if (chosen === '' || others.length === 0) {
    return (
      <>
        <Empty icon="compare" title="Choose what to compare">
          <p>Two tags or digests, also of different repositories, or two moments of one repository.</p>
        </Empty>
        <Forms />
      </>
    );
  }
  return (
    <section class="card">
      <header class="card-head">
        <h2>
          <Icon name="tag" />
          Compare {chosen} with
        </h2>
      </header>
      <ul class="choice-links">
        {others.map((each) => (
          <li key={each}>
            <a href={compareAddress(a === '' ? { a: each, b } : { a, b: each })}>{each}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

const FORMS: readonly (readonly [form: string, meaning: string])[] = [
  ['team/app:v1', 'a tag'],
  ['team/app@sha256:…', 'a digest'],
  ['team/app:v1@12', 'what the tag was after slot 12 of the repository’s log'],
  ['team/app:v1@2026-11-28T10:15:00Z', 'what it was at that time'],
  ['team/app@2026-11-28', 'the whole repository at the end of that day'],
  ['team/app', 'the whole repository as it is now'],
];

function Forms() {
  return (
    <section class="card">
      <header class="card-head">
        <h2>
          <Icon name="list" />
          What can be compared
        </h2>
      </header>
      <dl class="pairs">
        {FORMS.map(([form, meaning]) => (
          <div key={form}>
            <dt>
              <code>{form}</code>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

interface ManifestsProps {
  readonly request: ComparisonRequest;
  readonly result: Extract<ComparisonData['result'], { readonly kind: 'manifests' }>;
}

function ManifestsCompared({ request, result: { from, to, places, comparison } }: ManifestsProps) {
  const { layers, platforms, fields, packages } = comparison;
  const isSame = comparison.from.digest === comparison.to.digest;
  const isIndex = comparison.from.kind === 'index' || comparison.to.kind === 'index';
  const change = sizeChange(comparison.from.total, comparison.to.total);
  return (
    <>
      <div class="sides">
        <SideCard title="Before" comparable={from} place={places.from} side={comparison.from} />
        <SideCard title="After" comparable={to} place={places.to} side={comparison.to} change={change} />
      </div>
      {isSame && (
        <Notice tone="good" icon="check">
          Both are the same manifest.
        </Notice>
      )}
      {platforms.length > 0 && <PlatformsCard request={request} comparison={comparison} places={places} />}
      {layers.length > 0 && <LayersCard comparison={comparison} />}
      {fields.length > 0 && <FieldsCard fields={fields} />}
      {packages !== undefined && <PackagesCard packages={packages} />}
      {packages === undefined && !isSame && !isIndex && (
        <p class="muted">Packages are compared when both have a bill of materials (SBOM).</p>
      )}
    </>
  );
}

interface SideProps {
  readonly title: string;
  readonly comparable: Comparable;
  /** Where it can be seen. */
  readonly place: Place;
  readonly side: ComparedSide;
  /** Beside the size. */
  readonly change?: string;
}

function SideCard({ title, comparable, place, side, change }: SideProps) {
  const { digest, kind, total, index } = side;
  return (
    <section class="card side" aria-label={title}>
      <div class="side-head">
        <span class="muted">{title}</span>
        <Badge tone="accent">{KIND_NAMES[kind]}</Badge>
        {index !== undefined && <span class="muted">of an index</span>}
      </div>
      <h2 class="side-name">
        <ComparableName comparable={comparable} />
      </h2>
      <div class="side-about">
        <DigestText digest={digest} href={manifestAddress(place, { kind: 'digest', digest })} />
        <Size bytes={total} />
        {change !== undefined && <span>{change}</span>}
      </div>
    </section>
  );
}

/** A name with its tag or digest, and the moment if it is not now. */
export function ComparableName({ comparable }: { readonly comparable: Comparable }) {
  const { at } = comparable.kind === 'manifest' ? comparable.address : comparable;
  const reference = comparable.kind === 'manifest' ? comparable.address.reference : undefined;
  return (
    <>
      <PathName repo={repositoryOf(comparable)} />
      {reference?.kind === 'tag' && `:${reference.tag}`}
      {reference?.kind === 'digest' && `@${shortDigest(reference.digest)}`}
      {at !== undefined && (
        <span class="side-moment">{at.kind === 'slot' ? `at slot ${at.seq}` : `at ${formatTime(at.until)}`}</span>
      )}
    </>
  );
}
