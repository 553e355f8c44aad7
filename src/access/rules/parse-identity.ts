import { RegistryError } from '../../oci/errors.ts';
import type { Claims } from '../identity.ts';
import { nameInLogin } from '../robots/robot.ts';
import type { Issuer } from './issuer.ts';
import type { RuledIdentity } from './subject.ts';

/**
 * Parses an identity: `anonymous`, a user name, `user:…`, `robot:…`, `cert:…` or `oidc:<issuer>:<subject>`.
 * @param written claims as `name=value`; a repeated name is a list
 * @throws RegistryError `request-invalid`
 */
export function parseIdentity(text: string, written: readonly string[], issuers: readonly Issuer[]): RuledIdentity {
  const [, kind, rest = ''] = /^([^:]*):(.+)$/s.exec(text) ?? [];
  if (kind === 'oidc') return oidcIdentity(rest, written, issuers);
  if (written.length > 0) throw unusable('only identities of an issuer (oidc:<issuer>:<subject>) have claims');
  switch (kind) {
    case undefined:
      if (text === 'anonymous') return { kind: 'anonymous' };
      if (text === '' || text.includes(':')) throw unusable('an identity is expected');
      return loginIdentity(text);
    case 'user':
    case 'robot':
      return { kind, name: rest };
    case 'cert':
      return { kind: 'certificate', commonName: rest };
    default:
      throw unusable('an identity is expected: anonymous, a user name, robot:…, cert:… or oidc:<issuer>:<subject>');
  }
}

/** Also accepts the user name of a robot, `robot+<name>`. */
function loginIdentity(text: string): RuledIdentity {
  const robot = nameInLogin(text);
  return robot === undefined ? { kind: 'user', name: text } : { kind: 'robot', name: robot };
}

function oidcIdentity(text: string, written: readonly string[], issuers: readonly Issuer[]): RuledIdentity {
  const named = issuers.flatMap(({ name, issuer }) => {
    const before = [name, issuer].map((each) => `${each}:`).find((each) => text.startsWith(each));
    return before === undefined ? [] : [{ issuer: name, iss: issuer, subject: text.slice(before.length) }];
  });
  // One URL may be a prefix of another, so the longest match wins.
  const [found] = named.sort((one, other) => one.subject.length - other.subject.length);
  if (found === undefined || found.subject === '')
    throw unusable('oidc:<issuer>:<subject> is expected, with the name or the URL of an issuer in ACCESS_FILE');
  const { issuer, iss, subject } = found;
  return { kind: 'oidc', issuer, subject, claims: { ...claimsOf(written), iss, sub: subject } };
}

function claimsOf(written: readonly string[]): Claims {
  const pairs = written.map((each) => {
    const [, name, value = ''] = /^([^=]+)=(.*)$/s.exec(each) ?? [];
    if (name === undefined) throw unusable('a claim is expected as name=value');
    return [name, value] as const;
  });
  const byName = Map.groupBy(pairs, ([name]) => name);
  return Object.fromEntries(
    [...byName].map(([name, same]) => [name, same.length === 1 ? same[0]?.[1] : same.map(([, value]) => value)]),
  );
}

function unusable(message: string): RegistryError {
  return new RegistryError('request-invalid', message);
}
