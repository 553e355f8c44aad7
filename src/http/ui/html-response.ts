import { respond } from '../response.ts';

/** Nothing from elsewhere, nothing inline, no framing by others. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "form-action 'self'",
].join('; ');

/** Of every response below /ui/. */
export const PAGE_HEADERS = {
  'Content-Security-Policy': POLICY,
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const;

interface HtmlOptions {
  readonly status?: number;
  /** Set-Cookie headers. */
  readonly cookies?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page. It depends on the visitor, so nothing may keep it. */
export function htmlResponse(html: string, { status = 200, cookies = [], headers }: HtmlOptions = {}): Response {
  const bytes = new TextEncoder().encode(html);
  const response = respond(bytes, {
    status,
    headers: {
      ...PAGE_HEADERS,
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': String(bytes.length),
      'Cache-Control': 'no-store',
      ...headers,
    },
  });
  for (const cookie of cookies) response.headers.append('Set-Cookie', cookie);
  return response;
}

/** What a script of the page asks for. */
export function jsonResponse(value: unknown, stats: { sent: number }): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  stats.sent = bytes.length;
  return respond(bytes, {
    headers: {
      ...PAGE_HEADERS,
      'Content-Type': 'application/json',
      'Content-Length': String(bytes.length),
      'Cache-Control': 'no-store',
    },
  });
}

/** The page that follows a form, or stands for another address. @param to an address of this page, or of an issuer */
export function seeOther(to: string, cookie?: string): Response {
  return respond(null, {
    status: 303,
    headers: {
      ...PAGE_HEADERS,
      Location: to,
      'Content-Length': '0',
      'Cache-Control': 'no-store',
      ...(cookie === undefined ? {} : { 'Set-Cookie': cookie }),
    },
  });
}
