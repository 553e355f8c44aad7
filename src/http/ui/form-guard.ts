import { isIP } from 'node:net';
import { RegistryError } from '../../oci/errors.ts';
import { hostOf } from '../public-address.ts';

/*
 * Which forms of browsers are accepted. A browser sends the forms of any site, with the cookies of this registry only if the site is the
 * same (SameSite=Strict). Two dangers remain, and apply where a visitor without an account has rights: a form of another site, and a
 * site whose name was pointed at this registry after its page was loaded (DNS rebinding), so that the browser takes both for one origin.
 */

/** Where a request of a browser claims to come from. */
export interface FormSender {
  readonly headers: Headers;
  /** Scheme and host by which clients reach this registry; undefined if unknown. */
  readonly address: string | undefined;
}

/** @throws RegistryError `denied` for a form of another site */
export function checkSameOrigin({ headers, address }: FormSender): void {
  const site = headers.get('sec-fetch-site');
  const origin = headers.get('origin');
  // Clients other than browsers send neither.
  const isSameSite = site === null || site === 'same-origin';
  const isOwn = origin === null || hosts(headers, address).includes(hostOf(origin).toLowerCase());
  if (isSameSite && isOwn) return;
  throw new RegistryError(
    'denied',
    'this form was sent from another site; behind a proxy, PUBLIC_URL must be the address that browsers use',
  );
}

function hosts(headers: Headers, address: string | undefined): string[] {
  const own = [headers.get('host') ?? '', address === undefined ? '' : hostOf(address)];
  return own.filter((each) => each !== '').map((each) => each.toLowerCase());
}

/**
 * Whether no other site can have pointed this name at the registry: an IP address, `localhost`, a name without a dot, which only the
 * local network resolves, or one that the operator has named.
 * @param host with an optional port
 * @param named hosts of PUBLIC_HOSTS and PUBLIC_URL
 */
export function isTrustedHost(host: string, named: readonly string[]): boolean {
  const lower = host.toLowerCase();
  if (named.includes(lower)) return true;
  const name = lower.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return name !== '' && (isIP(name) !== 0 || !name.includes('.') || name.endsWith('.localhost'));
}
