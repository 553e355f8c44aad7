import type { RepositoryName } from '../../oci/names.ts';

/*
 * Every key begins with the store's ULID, because the projection of another bucket must never be used. The braces are hash tags of
 * Redis Cluster, so one script may touch all keys of a repository, or all of the catalog.
 *
 *   {<store>:<repo>}:meta       hash: gen, seq, hash, exists, owner, layout, intent, since, due, cursor
 *   {<store>:<repo>}:heal       token of the node that heals it
 *   {<store>:<repo>}:begun      hash: healer's token -> its current attempt
 *   {<store>:<repo>}:turn line waits:<node>    which node writes next, and which nodes wait
 *   {<store>:<repo>}:<gen>:tags        hash: tag -> digest
 *   {<store>:<repo>}:<gen>:tagz        zset of tags, all scores 0
 *   {<store>:<repo>}:<gen>:tagged      zset of `<digest> <tag>`
 *   {<store>:<repo>}:<gen>:manifests   hash: digest -> record
 *   {<store>:<repo>}:<gen>:blobs       hash: digest -> link
 *   {<store>:<repo>}:<gen>:referrers   zset of `<subject> <digest>` and `<subject>/<key of the artifact type> <digest>`
 *   {<store>:<repo>}:<gen>:refs        zset of `<ref> <manifest>`
 *   {<store>:<repo>}:<gen>:steps       hash: the finished steps of an unfinished generation
 *   {<store>}:meta              hash of the catalog: owner, begun, era, rounds
 *   {<store>}:catalog           zset of repositories, all scores 0
 *   {<store>}:changes           hash: repository -> slot at which it was known to exist or not
 */

export function metaKey(store: string, repo: RepositoryName): string {
  return `{${store}:${repo}}:meta`;
}

export function healKey(store: string, repo: RepositoryName): string {
  return `{${store}:${repo}}:heal`;
}

/** The catalog's meta, names and changes, in the order of its scripts' KEYS. */
export function catalogKeys(store: string): readonly [string, string, string] {
  return [`{${store}}:meta`, `{${store}}:catalog`, `{${store}}:changes`];
}
