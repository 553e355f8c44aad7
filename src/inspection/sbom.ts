import type { Fields } from '../oci/fields.ts';
import type { Package, Sbom } from './interface.ts';
import { fieldsOf, itemsOf, textOf, textsOf, timeOf } from './untrusted.ts';

/** Packages that are read of one document. */
export const MAX_PACKAGES = 20_000;
/** Elements of a document that are looked at, packages or not. */
const MAX_ELEMENTS = 200_000;
/** Characters of one field of a package. */
const MAX_FIELD = 512;

/**
 * Reads a bill of materials: SPDX 2 or 3, or CycloneDX, as JSON. Pure.
 * @param isCut whether the document goes on after what was parsed
 * @returns undefined for anything else
 */
export function sbomOf(json: unknown, isCut: boolean): Sbom | undefined {
  const document = fieldsOf(json);
  if (typeof document.spdxVersion === 'string') return spdx2Of(document, isCut);
  if (Array.isArray(document['@graph'])) return spdx3Of(document['@graph'], isCut);
  if (document.bomFormat === 'CycloneDX') return cycloneDxOf(document, isCut);
  return undefined;
}

function spdx2Of(document: Fields, isCut: boolean): Sbom {
  const { created, creators } = fieldsOf(document.creationInfo);
  return {
    format: 'SPDX',
    version: textOf(document.spdxVersion, MAX_FIELD)?.replace(/^SPDX-/, ''),
    name: textOf(document.name, MAX_FIELD),
    created: timeOf(created),
    tools: textsOf(creators).flatMap((each) => (each.startsWith('Tool: ') ? [each.slice('Tool: '.length)] : [])),
    ...collect(itemsOf(document.packages), spdx2Package, isCut),
  };
}

function spdx2Package(value: unknown): Package | undefined {
  const { name, versionInfo, licenseConcluded, licenseDeclared, externalRefs } = fieldsOf(value);
  const purl = itemsOf(externalRefs)
    .slice(0, 100)
    .map(fieldsOf)
    .find(({ referenceType }) => referenceType === 'purl');
  return packageOf({
    name,
    version: versionInfo,
    purl: purl?.referenceLocator,
    license: [licenseConcluded, licenseDeclared].find(
      (each) => each !== undefined && each !== 'NOASSERTION' && each !== 'NONE',
    ),
  });
}

function spdx3Of(graph: readonly unknown[], isCut: boolean): Sbom {
  const elements = graph.slice(0, MAX_ELEMENTS).map(fieldsOf);
  const ofType = (type: string): Fields => elements.find((each) => each.type === type) ?? {};
  const { specVersion, created } = ofType('CreationInfo');
  const licenses = spdx3Licenses(elements);
  const read = (value: unknown): Package | undefined => {
    const { type, spdxId, name, software_packageVersion, software_packageUrl } = fieldsOf(value);
    if (type !== 'software_Package') return undefined;
    const license = typeof spdxId === 'string' ? licenses.get(spdxId) : undefined;
    return packageOf({ name, version: software_packageVersion, purl: software_packageUrl, license });
  };
  return {
    format: 'SPDX',
    version: textOf(specVersion, MAX_FIELD),
    name: textOf(ofType('SpdxDocument').name, MAX_FIELD),
    created: timeOf(created),
    tools: elements.flatMap((each) => (each.type === 'Tool' ? (textOf(each.name, MAX_FIELD) ?? []) : [])).slice(0, 100),
    ...collect(graph, read, isCut),
  };
}

/** The licenses of packages: `from` has the license `to`, an element with an expression. */
function spdx3Licenses(elements: readonly Fields[]): Map<string, string> {
  const expressions = new Map<unknown, string>();
  for (const { type, spdxId, simplelicensing_licenseExpression: expression } of elements) {
    if (type === 'simplelicensing_LicenseExpression' && typeof expression === 'string') {
      expressions.set(spdxId, expression);
    }
  }
  const licenses = new Map<string, string>();
  for (const { type, relationshipType, from, to } of elements) {
    const isLicense = relationshipType === 'hasDeclaredLicense' || relationshipType === 'hasConcludedLicense';
    if (type !== 'Relationship' || !isLicense || typeof from !== 'string') continue;
    const expression = expressions.get(itemsOf(to)[0]);
    if (expression !== undefined) licenses.set(from, expression);
  }
  return licenses;
}

function cycloneDxOf(document: Fields, isCut: boolean): Sbom {
  const { timestamp, tools, component } = fieldsOf(document.metadata);
  // Version 1.5 put the tools into an object.
  const listed = Array.isArray(tools) ? tools : itemsOf(fieldsOf(tools).components);
  return {
    format: 'CycloneDX',
    version: textOf(document.specVersion, MAX_FIELD),
    name: textOf(fieldsOf(component).name, MAX_FIELD),
    created: timeOf(timestamp),
    tools: listed.slice(0, 100).flatMap((each) => {
      const { name, version } = fieldsOf(each);
      const tool = [textOf(name, MAX_FIELD), textOf(version, MAX_FIELD)].filter((part) => part !== undefined);
      return tool.length === 0 ? [] : [tool.join(' ')];
    }),
    ...collect(nested(itemsOf(document.components)), cycloneDxPackage, isCut),
  };
}

/** Components, and those in them. */
function nested(components: readonly unknown[]): unknown[] {
  const found: unknown[] = [];
  const left = [...components.slice(0, MAX_ELEMENTS)].reverse();
  for (let next = left.pop(); next !== undefined && found.length < MAX_ELEMENTS; next = left.pop()) {
    found.push(next);
    const inside = itemsOf(fieldsOf(next).components);
    for (const each of inside.slice(0, MAX_ELEMENTS - found.length).reverse()) left.push(each);
  }
  return found;
}

function cycloneDxPackage(value: unknown): Package | undefined {
  const { type, group, name, version, purl, licenses } = fieldsOf(value);
  // Most of these are files of packages, thousands of them.
  if (type === 'file') return undefined;
  const { license, expression } = fieldsOf(itemsOf(licenses)[0]);
  const { id, name: licenseName } = fieldsOf(license);
  const scope = textOf(group, MAX_FIELD);
  const own = textOf(name, MAX_FIELD);
  return packageOf({
    name: scope === undefined || own === undefined ? own : `${scope}/${own}`,
    version,
    purl,
    license: expression ?? id ?? licenseName,
  });
}

function packageOf(fields: Readonly<Record<'name' | 'version' | 'purl' | 'license', unknown>>): Package | undefined {
  const name = textOf(fields.name, MAX_FIELD);
  if (name === undefined) return undefined;
  return {
    name,
    version: textOf(fields.version, MAX_FIELD),
    purl: textOf(fields.purl, MAX_FIELD),
    license: textOf(fields.license, MAX_FIELD),
  };
}

function collect(
  items: readonly unknown[],
  read: (item: unknown) => Package | undefined,
  isCut: boolean,
): Pick<Sbom, 'packages' | 'count' | 'isCut'> {
  const packages: Package[] = [];
  let at = 0;
  for (; at < items.length && at < MAX_ELEMENTS && packages.length < MAX_PACKAGES; at++) {
    const found = read(items[at]);
    if (found !== undefined) packages.push(found);
  }
  return { packages, count: packages.length, isCut: isCut || at < items.length };
}
