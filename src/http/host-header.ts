import { RegistryError } from '../oci/errors.ts';

/**
 * "A server MUST respond with a 400 … to any request message that contains more than one Host header field line or a Host header
 * field with an invalid field value" (RFC 9112, section 3.2). Marina does not depend on it, but a proxy in front of it may.
 */
export function checkHost(request: Request, url: string): void {
  const host = request.headers.get('host');
  if (host === null || host === '') return;
  // Bun joins several Host headers with a comma. If the value cannot be part of a URL, Bun's URL is only a path.
  if (host.includes(',') || url.startsWith('/')) {
    throw new RegistryError('request-invalid', 'send one Host header, with the name or address of the registry');
  }
}
