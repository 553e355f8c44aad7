import { RegistryError } from '../oci/errors.ts';

/**
 * "A server MUST respond with a 400 … to any request message that contains more than one Host header field line or a Host header
 * field with an invalid field value" (RFC 9112, section 3.2). Marina does not depend on it, but a proxy in front of it may.
 */
export function checkHost(request: Request, url: string): void {
  if (hasInvalidHost(request, url)) throw new RegistryError('request-invalid', ONE_HOST);
}

export const ONE_HOST = 'send one Host header, with the name or address of the registry';

/** @param url of the request, as Bun shows it */
export function hasInvalidHost(request: Request, url: string): boolean {
  const host = request.headers.get('host');
  if (host === null || host === '') return false;
  // Bun joins several Host headers with a comma. If the value cannot be part of a URL, Bun's URL is only a path.
  return host.includes(',') || url.startsWith('/');
}
