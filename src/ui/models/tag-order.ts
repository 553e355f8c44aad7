import type { TagSort } from '../../overview/interface.ts';

/** How the tags of a repository are listed: newest first, by name, or the highest version first. */
export const TAG_ORDERS = ['time', 'name', 'semver'] as const;
export type TagOrder = (typeof TAG_ORDERS)[number];

/** As the overview has it. */
export const SORTS: Readonly<Record<TagOrder, TagSort>> = { time: 'time', name: 'name', semver: 'version' };

export const ORDER_NAMES: Readonly<Record<TagOrder, string>> = { time: 'Newest', name: 'Name', semver: 'Version' };
