import { loginAddress } from '../../ui/addresses.ts';
import { Failure } from '../../ui/views/failure.tsx';
import type { RequestContext } from '../context.ts';
import { messageFor } from '../errors.ts';
import { seeOther } from './html-response.ts';
import { viewerOf } from './page-context.ts';
import { showPage } from './show-page.ts';
import type { UiPorts } from './ui-ports.ts';

/** Headers of an error's response that hold for its page, too. */
const KEPT = ['retry-after', 'allow'] as const;

/**
 * An error as a page.
 * @param plain the response for clients of the API, with the status
 */
export async function failurePage(
  error: unknown,
  plain: Response,
  context: RequestContext,
  ui: UiPorts,
): Promise<Response> {
  const viewer = viewerOf(context, ui);
  const { method } = context.request;
  const isRead = method === 'GET' || method === 'HEAD';
  if (plain.status === 401 && viewer.canLogIn && isRead) return seeOther(loginAddress(viewer.address));
  const headers = Object.fromEntries(
    KEPT.flatMap((name) => {
      const value = plain.headers.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
  const view = <Failure status={plain.status} message={messageFor(error)} viewer={viewer} />;
  return await showPage({ context, ui, viewer }, { title: 'Error', status: plain.status, headers }, view);
}
