import { RegistryError } from '../../oci/errors.ts';
import { HOME, LOGIN } from '../../ui/addresses.ts';
import { actionsIn } from '../../ui/load/actions.ts';
import type { Sources } from '../../ui/load/sources.ts';
import type { Passive, Viewer } from '../../ui/viewer.ts';
import { targetOf } from '../address.ts';
import type { HandlerPorts, RequestContext } from '../context.ts';
import { hostOf } from '../public-address.ts';
import { isTrustedHost } from './form-guard.ts';
import type { UiPorts } from './ui-ports.ts';

/** What every handler of a page starts from. */
export interface PageContext {
  readonly context: RequestContext;
  readonly ports: HandlerPorts;
  readonly ui: UiPorts;
  readonly sources: Sources;
  readonly viewer: Viewer;
}

/** @throws RegistryError `route-unknown` if UI=false */
export function pageContext(context: RequestContext, ports: HandlerPorts): PageContext {
  const { ui, registry, history, inspection, overview, retention, pins, changes } = ports;
  if (ui === undefined) throw new RegistryError('route-unknown', 'the page of this registry is turned off');
  const pageRefusal = passiveRefusal(passiveFor(context, ui));
  const sources: Sources = {
    registry,
    history,
    inspection,
    overview,
    retention,
    pins,
    changes,
    policy: ui.policy,
    names: ui.names,
    actionsIn: (repo, caller) => actionsIn(repo, caller, { registry, pins, pageRefusal }),
  };
  return { context, ports, ui, sources, viewer: viewerOf(context, ui) };
}

export function viewerOf(context: RequestContext, ui: UiPorts): Viewer {
  const { authority, actor, request, login, loginName } = context;
  const isAnonymous = authority.kind === 'identity' && authority.identity.kind === 'anonymous';
  return {
    name: isAnonymous ? undefined : actor.label,
    hasAccounts: ui.hasAccounts,
    canLogIn: ui.logins !== undefined,
    isAdmin: ui.policy.allowsRegistry(context, 'admin'),
    nickname: loginName,
    formToken: ui.formTokens.issue(login),
    address: addressToComeBackTo(request),
    host: hostFor(context),
    passive: passiveFor(context, ui),
    hasPast: ui.names.prefix !== '',
    now: ui.now(),
  };
}

/** After a log-in nobody comes back to a form that was sent, or to a page of the log-in, whose address may have a code. */
function addressToComeBackTo({ method, url }: Request): string {
  const target = targetOf(url);
  return method === 'POST' || target.startsWith(LOGIN) ? HOME : target;
}

function hostFor({ siteAddress, request }: RequestContext): string {
  const address = siteAddress();
  return address === undefined ? (request.headers.get('host') ?? 'localhost') : hostOf(address);
}

export function passiveFor(context: RequestContext, { isReadOnly, namedHosts }: UiPorts): Passive | undefined {
  if (isReadOnly) return 'read-only';
  // The cookie of a log-in was set for this name, so no other site stands behind it.
  if (context.login !== undefined) return undefined;
  return hostsOf(context).every((host) => isTrustedHost(host, namedHosts)) ? undefined : 'unknown-host';
}

/** The error for every action of such a page. */
export function passiveRefusal(passive: Passive | undefined): RegistryError | undefined {
  switch (passive) {
    case 'read-only':
      return new RegistryError('denied', 'this page offers no actions: UI_READ_ONLY is set');
    case 'unknown-host':
      return new RegistryError(
        'denied',
        'under this host name the page offers no actions: PUBLIC_HOSTS does not name it',
      );
    case undefined:
      return undefined;
  }
}

/** Every name by which this request claims to have come: behind a proxy, Host may be another one than the browser's. */
function hostsOf({ request, siteAddress }: RequestContext): string[] {
  const address = siteAddress();
  const origin = request.headers.get('origin');
  return [
    request.headers.get('host') ?? '',
    ...(address === undefined ? [] : [hostOf(address)]),
    ...(origin === null ? [] : [hostOf(origin)]),
  ];
}
