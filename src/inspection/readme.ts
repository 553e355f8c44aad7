import type { Fields } from '../oci/fields.ts';
import { readmeText } from './documents.ts';
import type { Readme } from './interface.ts';
import { textOf } from './untrusted.ts';

const DESCRIPTION = 'org.opencontainers.image.description';
const DOCUMENTATION = 'org.opencontainers.image.documentation';
const OWN = 'dev.marina.readme';

/** The description in the annotations of a manifest or the labels of its config. */
export function descriptionIn(annotations: Fields, labels: Fields): string | undefined {
  return textOf(annotations[DESCRIPTION]) ?? textOf(labels[DESCRIPTION]);
}

/** The README in annotations or labels. Usually the documentation is an address, and not the text itself. */
export function readmeIn(annotations: Fields, labels: Fields): Readme | undefined {
  return readmeOf(annotations, 'annotation') ?? readmeOf(labels, 'label');
}

function readmeOf(texts: Fields, from: Readme['from']): Readme | undefined {
  const whole = wholeReadme(texts);
  if (whole === undefined || whole === '') return undefined;
  const text = readmeText(whole);
  return { text, from, isCut: text.length < whole.length };
}

function wholeReadme({ [OWN]: own, [DOCUMENTATION]: documentation }: Fields): string | undefined {
  if (typeof own === 'string') return own;
  return isInline(documentation) ? documentation : undefined;
}

function isInline(text: unknown): text is string {
  return typeof text === 'string' && !URL.canParse(text.trim());
}
