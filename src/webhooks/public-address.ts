import ipaddr from 'ipaddr.js';

/** All addresses of the public internet are in this block (RFC 4291); what else is `unicast` is not assigned. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Whether an IP address belongs to the public internet. Addresses of private networks, of this machine, of a link, and those that
 * stand for an IPv4 address (such as ::ffff:127.0.0.1) do not, unless that address does.
 * @param text of an IPv4 or IPv6 address; for any other text the result is false
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  // An IPv4 address in the form of IPv6 becomes an IPv4 address again.
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}

/** The IP address that a URL's host is, without brackets; undefined if it is a name. */
export function addressOfHost(hostname: string): string | undefined {
  const text = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(text) ? text : undefined;
}

/** Names that mean this machine everywhere (RFC 6761). */
export function isLocalName(hostname: string): boolean {
  return /(?:^|\.)localhost\.?$/.test(hostname);
}
