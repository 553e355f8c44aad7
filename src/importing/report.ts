import { z } from 'zod';

/** Why something of the tree was not taken over. */
const PROBLEMS = [
  'name-invalid',
  'tag-invalid',
  'digest-unsupported',
  'link-broken',
  'blob-missing',
  'digest-wrong',
  'unreadable',
  'manifest-invalid',
  'manifest-incomplete',
  'tag-dangling',
  'tag-differs',
  'lost',
] as const;

export const problem = z.object({
  problem: z.enum(PROBLEMS),
  repo: z.string(),
  digest: z.string().optional(),
  tag: z.string().optional(),
  message: z.string(),
});
export type Problem = z.infer<typeof problem>;

export const importRequest = z.object({
  /** An absolute path, or s3://bucket/prefix. */
  source: z.string(),
  /** Blobs are not read to compare their digest. */
  trust: z.boolean(),
  /** Tags that point elsewhere in our store are set to what the source says. */
  moveTags: z.boolean(),
  /** Whether somebody looks at how far it is of how much. */
  counted: z.boolean(),
});
export type ImportRequest = z.infer<typeof importRequest>;

export const importProgress = z.object({
  /** Links that were looked at. */
  done: z.number(),
  /** Links that there are, as far as they were counted. */
  total: z.number(),
  repository: z.string(),
  /** Bytes that were read to be verified, or to be sent. */
  read: z.number(),
});
export type ImportProgress = z.infer<typeof importProgress>;

const amount = z.object({ count: z.number(), bytes: z.number() });

export const importReport = z.object({
  repositories: z.number(),
  /** `present`: our store had it before. */
  tags: z.object({ set: z.number(), present: z.number() }),
  manifests: z.object({ put: z.number(), present: z.number() }),
  blobs: z.object({
    /** A second name of the source's file. */
    linked: amount,
    /** A copy that the file system or the bucket made. */
    copied: amount,
    /** Read there and written here. */
    sent: amount,
    /** Linked to bytes that our store had: from another repository of the tree, mostly. */
    shared: amount,
    present: amount,
  }),
  problems: z.number(),
  seconds: z.number(),
});
export type ImportReport = z.infer<typeof importReport>;
/** How the bytes of a blob came to be ours. */
export type Way = keyof ImportReport['blobs'];
