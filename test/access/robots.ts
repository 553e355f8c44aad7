// Robots as operators and machines use them: the commands as real processes, logins with Basic, tokens and refresh tokens.
import { expect } from 'bun:test';
import { marinaCommand } from '../cli/marina.ts';
import { attempt } from '../support/command.ts';
import { secret } from '../support/secrets.ts';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `marina robot …` with these settings. */
export async function robot(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await attempt([...marinaCommand, 'robot', ...args], { env });
  return { code, stdout: new TextDecoder().decode(stdout), stderr };
}

/** Creates or rotates a robot. @returns its secret */
export async function secretFrom(
  env: Readonly<Record<string, string>>,
  verb: 'create' | 'rotate',
  name: string,
  ...options: readonly string[]
): Promise<string> {
  const { code, stdout, stderr } = await robot(env, verb, name, '--json', ...options);
  expect([code, stderr]).toEqual([0, '']);
  const made: { readonly login: string; readonly secret: string } = JSON.parse(stdout);
  expect(made.login).toBe(`robot+${name}`);
  return secret(made.secret);
}

export async function robotsIn(env: Readonly<Record<string, string>>): Promise<readonly { readonly name: string }[]> {
  const { code, stdout, stderr } = await robot(env, 'list', '--json');
  expect([code, stderr]).toEqual([0, '']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

export function basic(name: string, secret: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`robot+${name}:${secret}`).toString('base64')}` };
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

export async function statusOf(url: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const response = await fetch(url, { headers, redirect: 'manual', signal: AbortSignal.timeout(30_000) });
  await response.arrayBuffer();
  return response.status;
}

export interface Tokens {
  readonly access: string;
  readonly refresh: string;
  readonly expiresIn: number;
}

/** Logs in with the secret as OAuth 2.0 clients do. @throws Error unless the answer is 200 */
export async function tokensFor(url: string, name: string, secret: string, scope: string): Promise<Tokens> {
  const body = new URLSearchParams({
    ...{ grant_type: 'password', username: `robot+${name}`, password: secret, access_type: 'offline', scope },
  });
  const response = await fetch(`${url}/token`, { method: 'POST', body });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  const issued = (await response.json()) as Readonly<Record<string, unknown>>;
  return {
    access: String(issued.access_token),
    refresh: String(issued.refresh_token),
    expiresIn: Number(issued.expires_in),
  };
}

/** The status for a new access token in exchange for this refresh token. */
export async function refreshed(url: string, token: string): Promise<number> {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token });
  const response = await fetch(`${url}/token`, { method: 'POST', body });
  await response.arrayBuffer();
  return response.status;
}
