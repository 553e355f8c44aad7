import { z } from 'zod';
import { fetchJson } from './fetch-json.ts';
import { IssuerProblem } from './issuer-problem.ts';

const WELL_KNOWN = '/.well-known/openid-configuration';

const shape = z.looseObject({ issuer: z.string() });

/** What an issuer says about itself. */
interface Discovered {
  /** Where it says so, for messages. */
  readonly url: string;
  readonly document: z.output<typeof shape>;
}

/**
 * Fetches the discovery document of an issuer (OpenID Connect Discovery 1.0, section 4).
 * @throws IssuerProblem
 */
export async function readDiscovery(issuer: string, signal: AbortSignal): Promise<Discovered> {
  const url = issuer.replace(/\/$/, '') + WELL_KNOWN;
  const { data: document } = shape.safeParse(await fetchJson(url, signal));
  if (document === undefined) throw new IssuerProblem(`${url} has no issuer`);
  // "The issuer value returned MUST be identical to the Issuer URL".
  if (document.issuer !== issuer) throw new IssuerProblem(`${url} belongs to another issuer`);
  return { url, document };
}
