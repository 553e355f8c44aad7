import { chmodSync, lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { type RobotChange, robotChange } from '../access/robots/decide.ts';
import { parseRobotName, type RobotName } from '../access/robots/robot.ts';
import { type RunReport, runReport } from '../backup/run-reports.ts';
import { type HoldContent, holdSchema } from '../collection/holds.ts';
import { RegistryError } from '../oci/errors.ts';
import { type Incarnation, parseIncarnation, parseRepositoryName, type RepositoryName } from '../oci/names.ts';
import { type Restoration, type Restored, restorationSchema } from '../registry/restoration.ts';
import { type WrittenOrder, writtenAction } from '../webhooks/orders.ts';
import type { Outcome } from '../webhooks/sender.ts';
import { parseWebhookName, type WebhookName } from '../webhooks/webhook.ts';
import { answerImport, type RunImport } from './imports.ts';

export interface ControlPorts {
  /** Requests a collection; false if the server is stopping. */
  readonly collect: (request: string) => Promise<boolean>;
  /** Requests a retention run; false if the server is stopping. */
  readonly retain: (request: string) => Promise<boolean>;
  /** The progress of the current run, if there is one. */
  readonly progress: (kind: 'collect' | 'retain') => Promise<unknown>;
  /** The requests of clients since the start, on all threads. */
  readonly requests: () => Promise<number>;
  readonly deleteRepository: (repo: RepositoryName) => Promise<void>;
  readonly restore: (repo: RepositoryName, wanted: Restoration) => Promise<Restored>;
  readonly changeRobot: (name: RobotName, change: RobotChange) => Promise<void>;
  readonly importTree: RunImport;
  readonly hold: (id: Incarnation, content: HoldContent) => Promise<void>;
  readonly renewHold: (id: Incarnation, content: HoldContent) => Promise<void>;
  readonly release: (id: Incarnation) => Promise<void>;
  readonly reportBackup: (report: RunReport) => Promise<void>;
  /** Makes a replica a primary. */
  readonly promote: () => Promise<void>;
  /** @returns whether it has been carried out; otherwise it is stored */
  readonly orderWebhook: (name: WebhookName, action: WrittenOrder['action']) => Promise<boolean>;
  readonly tryWebhookOut: (name: WebhookName) => Promise<Outcome>;
  /** Turns the switch that makes the registry read-only. */
  readonly turnReadOnly: (on: boolean) => Promise<void>;
  /** @throws RegistryError `read-only`, `writes-paused` */
  readonly requireWritable: () => void;
  /** Logs a defect, which the client does not get to see. */
  readonly failed: (error: unknown) => void;
}

/**
 * Serves the operator's commands on a Unix socket. The kernel allows a connection only with permission to write to the socket and to
 * enter its folder, which only the owner has. The owner is this process's user, so all commands are that user's (docs/decisions/0064-…).
 * @param path must not exist
 * @throws Error if others may enter the folder; system errors, such as for a path that is too long for a socket
 */
export function serveControl(path: string, ports: ControlPorts): { stop(): Promise<void> } {
  requirePrivate(dirname(path));
  const server = Bun.serve({
    unix: path,
    development: false,
    fetch: async (request) => {
      try {
        return await answer(request, ports);
      } catch (error) {
        if (error instanceof RegistryError)
          return Response.json({ kind: error.kind, message: error.message }, { status: 409 });
        ports.failed(error);
        return Response.json({ kind: 'unavailable', message: 'the server failed: see its log' }, { status: 500 });
      }
    },
  });
  chmodSync(path, 0o600);
  return { stop: () => server.stop(true) };
}

/** A private folder of this user stays private, because no other user can rename it or change its mode. */
function requirePrivate(folder: string): void {
  const { uid, mode } = lstatSync(folder);
  if (uid === process.geteuid?.() && (mode & 0o077) === 0) return;
  throw new Error(`${folder} must belong to this user and have the mode 700`);
}

const KINDS: ReadonlyMap<string, 'collect' | 'retain'> = new Map([
  ['collections', 'collect'],
  ['retentions', 'retain'],
]);

async function answer(request: Request, ports: ControlPorts): Promise<Response> {
  const { collect, retain, progress, deleteRepository, restore, requireWritable } = ports;
  const [, thing = '', ...rest] = new URL(request.url).pathname.split('/');
  const name = rest.join('/');
  const kind = KINDS.get(thing);
  if (request.method === 'GET' && kind !== undefined && name === 'progress')
    return Response.json((await progress(kind)) ?? null);
  if (request.method === 'GET' && thing === 'requests' && name === '')
    return Response.json({ begun: await ports.requests() });
  if (thing === 'read-only' && name === '' && (request.method === 'PUT' || request.method === 'DELETE')) {
    await ports.turnReadOnly(request.method === 'PUT');
    return new Response(null, { status: 204 });
  }
  if (thing === 'promotion' && name === '' && request.method === 'POST') {
    await ports.promote();
    return new Response(null, { status: 204 });
  }
  const webhook = thing === 'webhooks' ? parseWebhookName(rest[0] ?? '') : undefined;
  if (request.method === 'POST' && webhook !== undefined && rest[1] === 'test')
    return Response.json(await ports.tryWebhookOut(webhook));
  // What follows changes the store.
  requireWritable();
  if (request.method === 'POST' && kind !== undefined && parseIncarnation(name) !== undefined) {
    if (await { collect, retain }[kind](name)) return new Response(null, { status: 202 });
    throw new RegistryError('unavailable', 'the server is stopping');
  }
  if (request.method === 'POST' && thing === 'imports') return await answerImport(request, ports);
  const repo = thing === 'repositories' ? parseRepositoryName(name) : undefined;
  if (request.method === 'DELETE' && repo !== undefined) {
    await deleteRepository(repo);
    return new Response(null, { status: 204 });
  }
  const robot = thing === 'robots' ? parseRobotName(name) : undefined;
  if (request.method === 'POST' && robot !== undefined) {
    const change = robotChange.safeParse(await request.json());
    if (change.success) {
      await ports.changeRobot(robot, change.data);
      return new Response(null, { status: 204 });
    }
  }
  if (request.method === 'POST' && webhook !== undefined && rest[1] === 'order') {
    const action = writtenAction.safeParse(await request.json());
    if (action.success) return Response.json({ isDone: await ports.orderWebhook(webhook, action.data) });
  }
  const hold = thing === 'holds' ? parseIncarnation(name) : undefined;
  if (hold !== undefined) return await answerHold(hold, request, ports);
  if (request.method === 'POST' && thing === 'backups') {
    const report = runReport.safeParse(await request.json());
    if (report.success && report.data.run === name) {
      await ports.reportBackup(report.data);
      return new Response(null, { status: 204 });
    }
  }
  const restored = thing === 'restorations' ? parseRepositoryName(name) : undefined;
  if (request.method === 'POST' && restored !== undefined) {
    const wanted = restorationSchema.safeParse(await request.json());
    if (wanted.success) return Response.json(await restore(restored, wanted.data));
  }
  throw unknownCommand();
}

async function answerHold(id: Incarnation, request: Request, ports: ControlPorts): Promise<Response> {
  const { hold, renewHold, release } = ports;
  if (request.method === 'DELETE') {
    await release(id);
    return new Response(null, { status: 204 });
  }
  const change = { POST: hold, PUT: renewHold }[request.method];
  const content = holdSchema.safeParse(change === undefined ? undefined : await request.json());
  if (change === undefined || !content.success) throw unknownCommand();
  await change(id, content.data);
  return new Response(null, { status: 204 });
}

function unknownCommand(): RegistryError {
  return new RegistryError('request-invalid', 'this server does not know this command: use the CLI of its version');
}
