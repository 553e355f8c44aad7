import type { FieldDifference } from '../../past/manifest-diff.ts';

export interface FieldGroup {
  readonly title: string;
  /** Named without what the group has in common. */
  readonly fields: readonly FieldDifference[];
}

/** The beginnings of field names, in the order of the groups. The last one takes the rest. */
const GROUPS: readonly (readonly [title: string, start: string])[] = [
  ['Environment', 'config.config.Env.'],
  ['Ports', 'config.config.ExposedPorts.'],
  ['Volumes', 'config.config.Volumes.'],
  ['Labels', 'config.config.Labels.'],
  ['How it runs', 'config.config.'],
  ['Annotations', 'annotations.'],
  ['Build', 'config.'],
  ['Manifest', ''],
];

/** Fields that differ, as people think of them. Pure. */
export function groupFields(fields: readonly FieldDifference[]): readonly FieldGroup[] {
  const groups = GROUPS.map(([title, start]) => ({ title, start, fields: [] as FieldDifference[] }));
  for (const each of fields) {
    const group = groups.find(({ start }) => each.field.startsWith(start));
    group?.fields.push({ ...each, field: each.field.slice(group.start.length) });
  }
  return groups.filter((group) => group.fields.length > 0).map(({ title, fields: own }) => ({ title, fields: own }));
}
