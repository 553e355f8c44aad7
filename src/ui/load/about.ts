import type { ManifestDetails } from '../../inspection/interface.ts';

/** What a manifest says of itself in annotations or labels. Texts are those of strangers. */
export interface About {
  readonly source: string | undefined;
  readonly homepage: string | undefined;
  readonly licenses: string | undefined;
  readonly version: string | undefined;
  readonly revision: string | undefined;
}

const PREFIX = 'org.opencontainers.image.';

/** Pure. */
export function aboutOf({ annotations, config, chart }: ManifestDetails): About {
  const text = (name: string): string | undefined =>
    (annotations[PREFIX + name] ?? config?.labels[PREFIX + name])?.trim() || undefined;
  return {
    source: text('source') ?? chart?.sources[0],
    homepage: text('url') ?? chart?.home,
    licenses: text('licenses'),
    version: text('version') ?? chart?.version,
    revision: text('revision'),
  };
}
