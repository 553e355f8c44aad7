import { RegistryError } from '../../oci/errors.ts';
import type { OperationsOrder } from '../../operations/interface.ts';
import { operationsAddress } from '../../ui/addresses.ts';
import { Operations } from '../../ui/views/operations.tsx';
import { seeOther } from './html-response.ts';
import type { PageContext } from './page-context.ts';
import type { PageRoute } from './page-route.ts';
import { readAction } from './read-form.ts';
import { showPage } from './show-page.ts';

type Of<Kind extends PageRoute['kind']> = Extract<PageRoute, { readonly kind: Kind }>;

/** GET /ui/operations */
export async function showOperations({ done }: Of<'operations'>, page: PageContext): Promise<Response> {
  const data = await page.ports.operations.overview();
  return await showPage(page, { title: 'Operations' }, <Operations data={data} done={done} viewer={page.viewer} />);
}

/** POST /ui/operations. What a receiver answered to a test is only on the page that answers the form. */
export async function giveOrder(page: PageContext): Promise<Response> {
  const { context, ports, viewer } = page;
  const order = orderOf(await readAction(page));
  const outcome = await ports.operations.order(order, context);
  if (order.kind !== 'test-webhook') return seeOther(operationsAddress(order.kind));
  const data = await ports.operations.overview();
  const view = <Operations data={data} done="" outcome={outcome} viewer={viewer} />;
  return await showPage(page, { title: 'Operations' }, view);
}

/** @throws RegistryError `request-invalid` */
function orderOf(fields: URLSearchParams): OperationsOrder {
  const kind = fields.get('order');
  const name = fields.get('name') ?? '';
  switch (kind) {
    case 'read-only':
      return { kind, on: fields.get('on') === 'true' };
    case 'collect':
    case 'retain':
      return { kind };
    case 'retry-job':
      return { kind, id: fields.get('id') ?? '' };
    case 'pause-webhook':
    case 'resume-webhook':
    case 'test-webhook':
      return { kind, name };
    case 'replay-webhook':
      return { kind, name, since: (fields.get('since') ?? '').trim() };
    default:
      throw new RegistryError('request-invalid', 'the form does not say what to do');
  }
}
