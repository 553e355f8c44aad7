import { z } from 'zod';
import { parseDigest } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';

/**
 * What a page shows of a manifest. Manifests were pushed by strangers, and older versions of Marina accepted more than today's: whatever
 * does not have the expected shape is left out, and every list has a bound.
 */
export interface ManifestModel {
  readonly shape: 'index' | 'image' | 'other';
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly subject: Digest | undefined;
  readonly annotations: ReadonlyMap<string, string>;
  /** Of images and artifacts. */
  readonly config: Part | undefined;
  readonly layers: readonly Part[];
  /** Of indexes. */
  readonly children: readonly Child[];
}

export interface Part {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations: ReadonlyMap<string, string>;
}

/** A manifest that an index names. */
export interface Child extends Part {
  /** Such as `linux/arm64/v8`; undefined if the index names none. */
  readonly platform: string | undefined;
  readonly artifactType: string | undefined;
  /** The manifest that this one attests, as BuildKit writes it. */
  readonly attests: Digest | undefined;
}

const MAX_PARTS = 1_000;
const MAX_ANNOTATIONS = 200;

const digest = z.string().transform((text, context): Digest => {
  const parsed = parseDigest(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'no digest' });
  return z.NEVER;
});
const optionalText = z.string().optional().catch(undefined);
const annotations = z
  .record(z.string(), z.unknown())
  .catch({})
  .default({})
  .transform((record) => {
    const texts = Object.entries(record).filter((each): each is [string, string] => typeof each[1] === 'string');
    return new Map(texts.slice(0, MAX_ANNOTATIONS));
  });
const part = z.object({
  mediaType: z.string().catch('application/octet-stream'),
  digest,
  size: z.number().nonnegative().catch(0),
  annotations,
});
const platform = z
  .object({
    os: z.string().catch('unknown'),
    architecture: z.string().catch('unknown'),
    variant: optionalText,
    'os.version': optionalText,
  })
  .optional()
  .catch(undefined);
const child = part.extend({ platform, artifactType: optionalText });
const manifest = z.object({
  mediaType: optionalText,
  artifactType: optionalText,
  subject: z.object({ digest }).optional().catch(undefined),
  annotations,
  config: part.optional().catch(undefined),
  layers: z.array(z.unknown()).optional().catch(undefined),
  /** Of OCI's former artifact manifest. */
  blobs: z.array(z.unknown()).optional().catch(undefined),
  manifests: z.array(z.unknown()).optional().catch(undefined),
});

/** Pure; never throws. @param mediaType with which it was pushed */
export function readManifest(json: unknown, mediaType: string): ManifestModel {
  const { data } = manifest.safeParse(json);
  const about = {
    mediaType,
    artifactType: data?.artifactType,
    subject: data?.subject?.digest,
    annotations: data?.annotations ?? new Map<string, string>(),
  };
  if (data?.manifests !== undefined) {
    return { shape: 'index', ...about, config: undefined, layers: [], children: childrenOf(data.manifests) };
  }
  const layers = data?.layers ?? data?.blobs;
  if (layers === undefined) return { shape: 'other', ...about, config: data?.config, layers: [], children: [] };
  return { shape: 'image', ...about, config: data?.config, layers: partsOf(layers), children: [] };
}

function partsOf(list: readonly unknown[]): Part[] {
  return list.slice(0, MAX_PARTS).flatMap((each) => {
    const { data } = part.safeParse(each);
    return data === undefined ? [] : [data];
  });
}

function childrenOf(list: readonly unknown[]): Child[] {
  return list.slice(0, MAX_PARTS).flatMap((each) => {
    const { data } = child.safeParse(each);
    if (data === undefined) return [];
    const attests = parseDigest(data.annotations.get('vnd.docker.reference.digest') ?? '');
    const platform = attests === undefined ? platformText(data.platform) : undefined;
    return [{ ...data, artifactType: data.artifactType, attests, platform }];
  });
}

function platformText(found: z.output<typeof platform>): string | undefined {
  if (found === undefined) return undefined;
  const { os, architecture, variant, 'os.version': version } = found;
  const text = [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
  return version === undefined ? text : `${text} (${version})`;
}
