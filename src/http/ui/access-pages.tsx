import type { RobotOrder, RobotSummary } from '../../access/admin/interface.ts';
import { LIFETIME_FORMS, parseLifetime } from '../../access/robots/lifetime.ts';
import { parseRobotName, ROBOT_NAME_FORMS, type RobotName } from '../../access/robots/robot.ts';
import { RegistryError } from '../../oci/errors.ts';
import { accessAddress } from '../../ui/addresses.ts';
import { loadAccess } from '../../ui/load/load-access.ts';
import { Access } from '../../ui/views/access.tsx';
import { ConfirmRobot, RobotSecretPage } from '../../ui/views/robots.tsx';
import { seeOther } from './html-response.ts';
import type { PageContext } from './page-context.ts';
import type { PageRoute } from './page-route.ts';
import { readAction } from './read-form.ts';
import { showPage } from './show-page.ts';

type Of<Kind extends PageRoute['kind']> = Extract<PageRoute, { readonly kind: Kind }>;

/** GET /ui/access */
export async function showAccess(route: Of<'access'>, page: PageContext): Promise<Response> {
  const data = await loadAccess(route, page.ports.accessDesk);
  return await showPage(page, { title: 'Access' }, <Access data={data} query={route} viewer={page.viewer} />);
}

/** POST /ui/access/robots. The answer shows a new secret: it is in no address, and pages are not cached. */
export async function changeRobot(page: PageContext): Promise<Response> {
  const { context, ports, viewer } = page;
  const { accessDesk: desk } = ports;
  const fields = await readAction(page);
  const order = orderOf(fields);
  const { kind, name } = order;
  const refusal = desk.changesRefused();
  if (refusal !== undefined) throw refusal;
  if (kind !== 'create' && fields.get('confirmed') !== 'yes') {
    const robot = await requireRobot(name, page);
    const view = <ConfirmRobot change={kind} robot={robot} viewer={viewer} />;
    return await showPage(page, { title: `${kind === 'rotate' ? 'Rotate' : 'Revoke'} ${name}` }, view);
  }
  const given = await desk.changeRobot(order, context);
  if (given === undefined) return seeOther(accessAddress());
  const verb = kind === 'create' ? 'created' : 'rotated';
  return await showPage(page, { title: name }, <RobotSecretPage given={given} verb={verb} viewer={viewer} />);
}

async function requireRobot(name: RobotName, { ports }: PageContext): Promise<RobotSummary> {
  const robot = (await ports.accessDesk.robots()).find((each) => each.name === name);
  if (robot === undefined) throw new RegistryError('request-invalid', `there is no robot ${name}`);
  return robot;
}

/** @throws RegistryError `request-invalid` */
function orderOf(fields: URLSearchParams): RobotOrder {
  const name = parseRobotName((fields.get('name') ?? '').trim());
  if (name === undefined) throw invalid(`the name of a robot has ${ROBOT_NAME_FORMS}`);
  const kind = fields.get('change');
  switch (kind) {
    case 'create':
    case 'rotate':
      return { kind, name, lifetime: lifetimeOf((fields.get('lifetime') ?? '').trim()) };
    case 'revoke':
      return { kind, name };
    default:
      throw invalid('the form does not say what to do with the robot');
  }
}

function lifetimeOf(text: string): number | undefined {
  if (text === '') return undefined;
  const lifetime = parseLifetime(text);
  if (lifetime === undefined) throw invalid(`the lifetime of a robot is ${LIFETIME_FORMS}, or empty`);
  return lifetime;
}

function invalid(message: string): RegistryError {
  return new RegistryError('request-invalid', message);
}
