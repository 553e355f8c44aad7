import { parseDigest } from '../oci/digest.ts';
import { chartValues } from './chart-values.ts';
import type { Parser, ReadBlob, Weighed } from './contents.ts';
import type { Part } from './image.ts';
import type { Documents, Texts } from './interface.ts';
import { COSIGN_PAYLOAD, DSSE_ENVELOPE, IN_TOTO, isSbom, isSigstoreBundle, NOTATION_SIGNATURE } from './media-types.ts';
import { parsePartialJson } from './partial-json.ts';
import { sbomOf } from './sbom.ts';
import { bundledSignature, cosignSignature, notationSignature } from './signature.ts';
import { envelopedStatement, type Statement, statementOf } from './statement.ts';
import { cutAt } from './untrusted.ts';

/** What was found in one blob. */
export interface DocumentFacts extends Documents, Weighed {
  /** The parsed JSON of a small document. */
  readonly json?: unknown;
  /** The text of a README. */
  readonly text?: string | undefined;
  /** What was not read, and why. */
  readonly omitted: readonly string[];
}

type DocumentParser = Parser<DocumentFacts>;

/** Bytes of memory that a parsed JSON takes for each byte of its text, at most. */
const JSON_WEIGHT = 8;
const PACKAGE_WEIGHT = 400;
/** Characters of a README that are kept. */
const MAX_README = 256 * 1024;

const NOTHING = { signatures: [], sboms: [], attestations: [], omitted: [], weight: 0 } as const;

/** The JSON of a config, or of another document of a few kilobytes. */
export const JSON_DOCUMENT: DocumentParser = {
  name: 'json',
  parse: ({ bytes, isCut, size }) => {
    const parsed = parsePartialJson(bytes, isCut);
    if (parsed === undefined) return { ...NOTHING, omitted: isCut ? [tooLong('it', size)] : [] };
    return {
      ...NOTHING,
      json: parsed.value,
      omitted: isCut ? [tooLong('it', size)] : [],
      weight: JSON_WEIGHT * bytes.length,
    };
  },
};

export const README: DocumentParser = {
  name: 'readme',
  parse: ({ bytes, size }) => {
    const text = readmeText(new TextDecoder().decode(bytes.subarray(0, 4 * MAX_README)));
    return { ...NOTHING, text, omitted: text.length < size ? ['cut'] : [], weight: 2 * text.length };
  },
};

/** Bytes of a chart's values that are kept. */
const MAX_VALUES = 64 * 1024;

/** The values of a Helm chart, as text. */
export const CHART_VALUES: DocumentParser = {
  name: 'chart-values',
  parse: async ({ bytes }) => {
    const values = await chartValues(bytes, MAX_VALUES);
    if (values === undefined) return NOTHING;
    const { text, isCut } = values;
    return { ...NOTHING, text, omitted: isCut ? ['cut'] : [], weight: 2 * text.length };
  },
};

export function readmeText(text: string): string {
  return text.length <= MAX_README ? text : cutAt(text, MAX_README);
}

const SBOM_DOCUMENT: DocumentParser = {
  name: 'sbom',
  parse: (blob) => {
    const sbom = sbomOf(jsonOf(blob), blob.isCut);
    return sbom === undefined ? unreadable('bill of materials', blob) : factsOf({ sboms: [sbom] });
  },
};

const STATEMENT: DocumentParser = {
  name: 'statement',
  parse: (blob) => fromStatement(statementOf(jsonOf(blob), false, blob.isCut), blob),
};

const ENVELOPE: DocumentParser = {
  name: 'envelope',
  parse: (blob) => fromStatement(envelopedStatement(jsonOf(blob), blob.isCut ? blob.bytes : undefined), blob),
};

const BUNDLE: DocumentParser = {
  name: 'bundle',
  parse: (blob) => {
    const { signature, statement } = bundledSignature(jsonOf(blob));
    const { attestations, sboms } = listsOf(statement);
    return factsOf({ signatures: [signature], attestations, sboms });
  },
};

const NOTATION: DocumentParser = {
  name: 'notation',
  parse: (blob) => factsOf({ signatures: [notationSignature(jsonOf(blob))] }),
};

/** How the layer of something attached is read; undefined if it is not. */
export function parserFor(layer: Part, artifactType: string | undefined): DocumentParser | undefined {
  const { mediaType } = layer;
  if (parseDigest(layer.digest) === undefined) return undefined;
  if (mediaType === COSIGN_PAYLOAD) return JSON_DOCUMENT;
  if (mediaType === DSSE_ENVELOPE) return ENVELOPE;
  if (mediaType === IN_TOTO) return STATEMENT;
  if (isSigstoreBundle(mediaType)) return BUNDLE;
  if (artifactType === NOTATION_SIGNATURE) return NOTATION;
  return isSbom(mediaType) || isSbom(artifactType ?? '') ? SBOM_DOCUMENT : undefined;
}

/** What the facts of a layer tell, together with the annotations that the manifest gives it. */
export function withAnnotations(facts: DocumentFacts, mediaType: string, annotations: Texts): DocumentFacts {
  return mediaType === COSIGN_PAYLOAD ? { ...facts, signatures: [cosignSignature(facts.json, annotations)] } : facts;
}

export function tooLong(what: string, size: number): string {
  return `${what} has ${size} bytes; only the first 4 MiB were read`;
}

function jsonOf({ bytes, isCut }: ReadBlob): unknown {
  return parsePartialJson(bytes, isCut)?.value;
}

function fromStatement(statement: Statement | undefined, blob: ReadBlob): DocumentFacts {
  return statement === undefined ? unreadable('attestation', blob) : factsOf(listsOf(statement));
}

function listsOf(statement: Statement | undefined): Pick<DocumentFacts, 'attestations' | 'sboms'> {
  if (statement === undefined) return { attestations: [], sboms: [] };
  const { attestation, sbom } = statement;
  return { attestations: [attestation], sboms: sbom === undefined ? [] : [sbom] };
}

function factsOf(found: Partial<Documents>): DocumentFacts {
  const packages = found.sboms?.reduce((sum, { count }) => sum + count, 0) ?? 0;
  return { ...NOTHING, ...found, weight: packages * PACKAGE_WEIGHT + 20_000 };
}

function unreadable(what: string, { isCut, size }: ReadBlob): DocumentFacts {
  return { ...NOTHING, omitted: [isCut ? tooLong(`the ${what}`, size) : `the ${what} could not be read`] };
}
