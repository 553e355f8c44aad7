import type { Package, PackageChange, Sbom } from './interface.ts';

/** Changes that are listed. */
const MAX_CHANGES = 1_000;

/** The packages of several bills of materials, each once, ordered by name and version. Pure. */
export function packagesOf(sboms: readonly Sbom[]): Package[] {
  const packages = new Map<string, Package>();
  for (const sbom of sboms) {
    for (const each of sbom.packages) {
      const key = `${each.name}\n${each.version ?? ''}`;
      const known = packages.get(key);
      // Another document may know more about the same package.
      packages.set(key, { ...each, purl: known?.purl ?? each.purl, license: known?.license ?? each.license });
    }
  }
  const keyed = [...packages].sort(([one], [other]) => (one < other ? -1 : 1));
  return keyed.map(([, each]) => each);
}

export interface PackageDifference {
  readonly items: readonly PackageChange[];
  readonly count: number;
  /** How many are in both. */
  readonly same: number;
}

/** What differs between two lists of packages. A package of which one version was replaced by one other has changed. Pure. */
export function comparePackages(from: readonly Package[], to: readonly Package[]): PackageDifference {
  const [before, after] = [versionsOf(from), versionsOf(to)];
  const changes: PackageChange[] = [];
  let same = 0;
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const old = before.get(name) ?? new Set<string>();
    const current = after.get(name) ?? new Set<string>();
    const gone = [...old].filter((version) => !current.has(version));
    const added = [...current].filter((version) => !old.has(version));
    same += current.size - added.length;
    const [onlyGone, onlyAdded] = [gone[0], added[0]];
    if (gone.length === 1 && added.length === 1 && onlyGone !== undefined && onlyAdded !== undefined) {
      changes.push({ change: 'changed', name, from: onlyGone, to: onlyAdded });
      continue;
    }
    for (const version of gone) changes.push({ change: 'gone', name, from: version });
    for (const version of added) changes.push({ change: 'added', name, to: version });
  }
  return { items: changes.slice(0, MAX_CHANGES), count: changes.length, same };
}

/** The versions of each package; the empty text for one without. */
function versionsOf(packages: readonly Package[]): Map<string, Set<string>> {
  const versions = new Map<string, Set<string>>();
  for (const { name, version = '' } of packages) {
    const known = versions.get(name);
    if (known === undefined) versions.set(name, new Set([version]));
    else known.add(version);
  }
  return versions;
}
