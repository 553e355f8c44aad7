import { type AccessPolicy, openAccess } from '../access/access.ts';
import { Authentication } from '../access/authentication.ts';
import type { BasicAuthenticator, BearerAuthenticator } from '../access/authenticator.ts';
import { Gate } from '../http/gate.ts';
import type { PublicAddress } from '../http/public-address.ts';
import type { Logger } from '../telemetry/log.ts';

export interface Access {
  readonly policy: AccessPolicy;
  /** undefined if access is not restricted. */
  readonly gate: Gate | undefined;
}

interface AccessPorts {
  readonly publicAddress: PublicAddress;
  readonly logger: Logger;
}

/** Puts together who may do what. */
export function openAccessControl({ publicAddress, logger }: AccessPorts): Access {
  const basic: BasicAuthenticator[] = [];
  const bearer: BearerAuthenticator[] = [];
  const policy = openAccess;
  if (basic.length + bearer.length === 0) {
    logger.info('no accounts are configured: everybody who reaches the port may do everything');
    return { policy, gate: undefined };
  }
  const authentication = new Authentication(basic, bearer);
  return { policy, gate: new Gate({ authentication, policy, publicAddress, logger }) };
}
