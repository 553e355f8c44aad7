// No secret may reach a log: the log of every process that a test starts is searched when the process ends.

/** What looks like a secret, whichever test made it. */
const SHAPES: Readonly<Record<string, RegExp>> = {
  'the secret of a robot': /marina_rt_[0-9A-Za-z]{20,}/,
  'a JSON Web Token': /eyJ[\w-]{10,}\.[\w-]{10,}/,
  'a header with credentials': /\b(?:Basic|Bearer) +[\w+/=.~-]{12,}/i,
  'an Authorization header': /"?\bauthorization"?\s*[:=]\s*"?(?!Basic\b|Bearer\b)[\w+/=.~-]{12,}/i,
  'a signed URL': /X-Amz-Signature=\w+/i,
  'a private key': /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
};
/** Shorter ones occur by chance. */
const MIN_CHARACTERS = 8;

const used = new Set<string>();

/** Remembers a secret that this test uses. @returns the same text */
export function secret(text: string): string {
  if (text.length < MIN_CHARACTERS) throw new Error(`a secret of ${text.length} characters cannot be searched for`);
  used.add(text);
  return text;
}

/** What of a text is secret, described without showing it. */
export function secretsIn(text: string): string[] {
  const found = Object.entries(SHAPES).flatMap(([what, shape]) => {
    const at = text.search(shape);
    return at < 0 ? [] : [`${what}, in the line that begins ${lineAt(text, at)}`];
  });
  for (const each of used) {
    // JSON escapes some characters, and URLs others.
    const forms = [each, JSON.stringify(each).slice(1, -1), encodeURIComponent(each), btoaOf(each)];
    const at = Math.max(...forms.map((form) => text.indexOf(form)));
    if (at >= 0) found.push(`a secret that the test used, in the line that begins ${lineAt(text, at)}`);
  }
  return found;
}

/** @throws Error if a log has a secret */
export function expectNoSecrets(log: string, whose: string): void {
  const found = secretsIn(log);
  if (found.length > 0) throw new Error(`the log of ${whose} has secrets:\n${found.join('\n')}`);
}

function btoaOf(text: string): string {
  return Buffer.from(text).toString('base64');
}

const SHOWN = 80;

/** Enough of the line to find it, and nothing from the secret on. */
function lineAt(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at) + 1;
  return JSON.stringify(text.slice(start, Math.min(at, start + SHOWN)));
}
