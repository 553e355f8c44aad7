const ID_PREFIX = crypto.randomUUID().slice(0, 8);
let requests = 0;

/** A random prefix for the process and a counter: unique among all processes, and cheap. */
export function nextRequestId(): string {
  requests++;
  return `${ID_PREFIX}-${requests.toString(36)}`;
}
