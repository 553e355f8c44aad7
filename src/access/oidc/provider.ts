import type { AuthorizationServer } from 'oauth4webapi';
import { z } from 'zod';
import { type Issuer, isIssuerAddress } from '../rules/issuer.ts';
import { readDiscovery } from './discovery.ts';
import { IssuerProblem } from './issuer-problem.ts';
import { ALGORITHMS } from './key-set.ts';

/** The endpoints of an issuer with which people log in, in the form of the library. */
export type Provider = AuthorizationServer & {
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
};

const names = z.array(z.string()).optional();
const shape = z.object({
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  token_endpoint_auth_methods_supported: names,
  authorization_response_iss_parameter_supported: z.boolean().optional(),
});

/**
 * Loads what an issuer says about its endpoints.
 * @param signal aborts the request
 * @throws IssuerProblem
 */
export async function loadProvider({ issuer }: Issuer, signal: AbortSignal): Promise<Provider> {
  const { url, document } = await readDiscovery(issuer, signal);
  const { data } = shape.safeParse(document);
  if (data === undefined) throw new IssuerProblem(`${url} has no authorization_endpoint and token_endpoint`);
  for (const name of ['authorization_endpoint', 'token_endpoint'] as const) {
    if (!isIssuerAddress(data[name], issuer)) throw new IssuerProblem(`the ${name} in ${url} is not an https URL`);
  }
  // The same ones as for other tokens, whatever the issuer lists: it also lists what other clients of it use.
  return { issuer, id_token_signing_alg_values_supported: [...ALGORITHMS], ...withoutUndefined(data) };
}

type Defined<T> = { [Name in keyof T]: Exclude<T[Name], undefined> };

function withoutUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
