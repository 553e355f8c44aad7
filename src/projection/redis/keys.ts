import type { RepositoryName } from '../../oci/names.ts';

/*
 * Every key begins with the store's ULID: another bucket's projection must never be believed. What is in braces decides in which
 * slot of a Redis Cluster a key lives, so that one script may touch all keys of a repository, or all of the catalog.
 *
 *   {<store>:<repo>}:meta       hash: gen, seq, hash, exists, owner, layout, intent, since, due, cursor
 *   {<store>:<repo>}:heal       who heals it now
 *   {<store>:<repo>}:begun      hash: healer -> its attempt that is under way
 *   {<store>:<repo>}:turn line waits:<node>    whose turn it is to write, and who waits for one
 *   {<store>:<repo>}:<gen>:tags        hash: tag -> digest
 *   {<store>:<repo>}:<gen>:tagz        zset of tags, all scores 0
 *   {<store>:<repo>}:<gen>:tagged      zset of `<digest> <tag>`
 *   {<store>:<repo>}:<gen>:manifests   hash: digest -> record
 *   {<store>:<repo>}:<gen>:blobs       hash: digest -> link
 *   {<store>:<repo>}:<gen>:referrers   zset of `<subject> <digest>` and `<subject>/<key of the artifact type> <digest>`
 *   {<store>:<repo>}:<gen>:refs        zset of `<ref> <manifest>`
 *   {<store>:<repo>}:<gen>:steps       hash: which steps of an unfinished generation were done
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

/** The catalog's meta, its names and what is known of them, as its scripts take them. */
export function catalogKeys(store: string): readonly [string, string, string] {
  return [`{${store}}:meta`, `{${store}}:catalog`, `{${store}}:changes`];
}
