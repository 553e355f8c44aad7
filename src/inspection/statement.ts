import type { Attestation, Sbom, Texts } from './interface.ts';
import { parsePartialJson } from './partial-json.ts';
import { sbomOf } from './sbom.ts';
import { fieldsOf, itemsOf, namesOf, textOf, textRecordOf } from './untrusted.ts';

/** Subjects of a statement that are shown. */
const MAX_SUBJECTS = 20;
const ALGORITHM = /^[a-zA-Z0-9_-]{1,32}$/;

/** What an in-toto statement says. */
export interface Statement {
  readonly attestation: Attestation;
  /** If its predicate is a bill of materials. */
  readonly sbom: Sbom | undefined;
  /** What the first subject is said to be. */
  readonly annotations: Texts;
}

/** Reads an in-toto statement. Pure. @returns undefined for anything else */
export function statementOf(json: unknown, isSigned: boolean, isCut: boolean): Statement | undefined {
  const { _type, predicateType, predicate, subject } = fieldsOf(json);
  const type = textOf(predicateType);
  if (typeof _type !== 'string' || type === undefined) return undefined;
  const { builder, buildType, runDetails, buildDefinition, Data } = fieldsOf(predicate);
  // SLSA 1 has them elsewhere than 0.2.
  const made = fieldsOf(fieldsOf(runDetails).builder).id ?? fieldsOf(builder).id;
  return {
    attestation: {
      predicateType: type,
      subjects: itemsOf(subject).slice(0, MAX_SUBJECTS).map(subjectOf),
      builder: textOf(made),
      buildType: textOf(fieldsOf(buildDefinition).buildType ?? buildType),
      isSigned,
    },
    // Old versions of cosign wrapped the document.
    sbom: sbomOf(predicate, isCut) ?? sbomOf(Data, isCut),
    annotations: textRecordOf(fieldsOf(itemsOf(subject)[0]).annotations),
  };
}

function subjectOf(value: unknown): Attestation['subjects'][number] {
  const { name, digest } = fieldsOf(value);
  const algorithm = namesOf(digest).find((each) => ALGORITHM.test(each));
  const hex = algorithm === undefined ? undefined : textOf(fieldsOf(digest)[algorithm], 256);
  return { name: textOf(name), digest: hex === undefined ? undefined : `${algorithm}:${hex}` };
}

/** Matches the payload of an envelope whose end is missing. */
const PAYLOAD_START = /"payload"\s*:\s*"([A-Za-z0-9+/]+)/;

/**
 * The statement in a DSSE envelope.
 * @param cut the beginning of the envelope, if its end is missing: the payload is one long text, of which that leaves nothing in `json`
 * @returns undefined for anything else
 */
export function envelopedStatement(json: unknown, cut?: Uint8Array): Statement | undefined {
  const { payload } = fieldsOf(json);
  const whole = typeof payload === 'string' ? payload : undefined;
  const encoded = whole ?? (cut && PAYLOAD_START.exec(new TextDecoder().decode(cut))?.[1]);
  if (encoded === undefined) return undefined;
  const isCut = whole === undefined;
  const parsed = parsePartialJson(Buffer.from(encoded, 'base64'), isCut);
  return parsed === undefined ? undefined : statementOf(parsed.value, true, isCut);
}
