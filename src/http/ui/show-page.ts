import { renderDocument } from '../../ui/document.tsx';
import type { Child } from '../../ui/jsx/jsx-runtime.js';
import { htmlResponse } from './html-response.ts';
import type { PageContext } from './page-context.ts';

interface Shown {
  readonly title: string;
  readonly search?: string;
  readonly status?: number;
  /** Set-Cookie headers. */
  readonly cookies?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** A whole page around a view. */
export async function showPage(
  { context, ui, viewer }: Pick<PageContext, 'context' | 'ui' | 'viewer'>,
  { title, search, status, cookies, headers }: Shown,
  view: Child,
): Promise<Response> {
  const { links } = await ui.assets();
  const about = search === undefined ? {} : { search };
  const html = renderDocument({ title, viewer, assets: links, ...about, children: view });
  context.stats.sent = Buffer.byteLength(html);
  return htmlResponse(html, {
    ...(status === undefined ? {} : { status }),
    ...(headers === undefined ? {} : { headers }),
    ...(cookies === undefined ? {} : { cookies }),
  });
}
