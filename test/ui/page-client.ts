// A visitor without a script: keeps cookies, and sends forms as a browser does.

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
  /** Where the answer leads, if it leads somewhere. */
  readonly location: string | null;
}

export class Visitor {
  readonly #url: string;
  readonly #cookies = new Map<string, string>();
  readonly #headers: Readonly<Record<string, string>>;

  /** @param headers of every request */
  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies;
  }

  setCookie(name: string, value: string): void {
    this.#cookies.set(name, value);
  }

  async get(path: string): Promise<Answer> {
    return await this.#send(path, { method: 'GET' });
  }

  /** @param fields sent as they are: `fieldsOf` finds the hidden ones of a page */
  async post(
    path: string,
    fields: readonly (readonly [string, string])[],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const body = new URLSearchParams(fields.map(([name, value]): [string, string] => [name, value]));
    const origin = { origin: this.#url, 'sec-fetch-site': 'same-origin' };
    return await this.#send(path, { method: 'POST', body, headers: { ...origin, ...headers } });
  }

  /** Loads a page, fills its form for that address, and sends it. */
  async submit(page: string, action: string, fields: readonly (readonly [string, string])[] = []): Promise<Answer> {
    const { html } = await this.get(page);
    return await this.post(action, [...hiddenFields(html, action), ...fields]);
  }

  async logIn(user: string, password: string): Promise<Answer> {
    return await this.submit('/ui/login', '/ui/login', [
      ['user', user],
      ['password', password],
    ]);
  }

  async #send(
    path: string,
    init: {
      readonly method: string;
      readonly body?: URLSearchParams;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<Answer> {
    const cookie = Array.from(this.#cookies, ([name, value]) => `${name}=${value}`).join('; ');
    const headers = { accept: 'text/html', ...this.#headers, ...init.headers, ...(cookie === '' ? {} : { cookie }) };
    const response = await fetch(this.#url + path, {
      ...init,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(60_000),
    });
    for (const each of response.headers.getSetCookie()) this.#keep(each);
    return {
      status: response.status,
      headers: response.headers,
      html: await response.text(),
      location: response.headers.get('location'),
    };
  }

  #keep(cookie: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
    if (/Max-Age=0/.test(cookie)) this.#cookies.delete(name);
    else this.#cookies.set(name, value);
  }
}

/** The hidden fields of the first form of a page with that address. */
export function hiddenFields(html: string, action: string): [string, string][] {
  const fields: [string, string][] = [];
  let forms = 0;
  new HTMLRewriter()
    .on(`form[action="${action}"]`, {
      element() {
        forms++;
      },
    })
    .on(`form[action="${action}"] input[type="hidden"]`, {
      element(element) {
        if (forms === 1) fields.push([element.getAttribute('name') ?? '', element.getAttribute('value') ?? '']);
      },
    })
    .transform(html);
  return fields;
}
