import { respond } from './response.ts';

/** Allows inline style and script only, and no framing by other sites. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'";

/** The page for people who open the registry in a browser. */
export function landingPage(version: string, headers: Readonly<Record<string, string>> = {}): Response {
  const page = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Marina</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem;color:#1b2733}
code,pre{font:14px ui-monospace,monospace;background:#eef3f7;border-radius:4px}code{padding:.1em .3em}pre{padding:1em;overflow:auto}</style></head>
<body>
<h1>Marina</h1>
<p>This is a container registry (OCI distribution, version ${version}). Use it with a client such as docker, podman, skopeo or oras:</p>
<pre id="push">docker tag my-image <span>HOST</span>/my-image
docker push <span>HOST</span>/my-image</pre>
<p>Repositories: <a href="/v2/_catalog"><code>/v2/_catalog</code></a>.
Health: <a href="/healthz"><code>/healthz</code></a>, <a href="/readyz"><code>/readyz</code></a>.
Metrics: <a href="/metrics"><code>/metrics</code></a>.</p>
<script>for (const each of document.querySelectorAll('#push span')) each.textContent = location.host;</script>
</body></html>
`;
  return respond(page, {
    headers: { ...headers, 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': POLICY },
  });
}

/** Browsers name HTML, other clients send nothing or any type. */
export function wantsHtml(headers: Headers): boolean {
  return /\btext\/html\b/i.test(headers.get('accept') ?? '');
}

/** Sends a browser to the page. */
export function toPage(headers: Readonly<Record<string, string>> = {}): Response {
  // Clients without a page get another answer at the same address.
  return respond(null, {
    status: 302,
    headers: { ...headers, Location: '/ui/', 'Content-Length': '0', Vary: 'Accept' },
  });
}
