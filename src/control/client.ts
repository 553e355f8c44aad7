import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import type { RobotChange } from '../access/robots/decide.ts';
import type { RobotName } from '../access/robots/robot.ts';
import type { RunReport } from '../backup/run-reports.ts';
import type { CollectionProgress } from '../collection/collect.ts';
import type { HoldContent } from '../collection/holds.ts';
import type { ImportReport, ImportRequest } from '../importing/report.ts';
import type { Listeners } from '../importing/tally.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import { type Restoration, type Restored, restoredSchema } from '../registry/restoration.ts';
import type { RetentionProgress } from '../retention/retain.ts';
import type { WrittenOrder } from '../webhooks/orders.ts';
import type { Outcome } from '../webhooks/sender.ts';
import type { WebhookName } from '../webhooks/webhook.ts';
import { followImport } from './imports.ts';
import {
  CONTROL_SOCKET,
  collectionProgress,
  refusalAnswer,
  requestsAnswer,
  retentionProgress,
  webhookOrderAnswer,
  webhookOutcome,
} from './protocol.ts';

const RESPONSE_TIMEOUT_MS = 30_000;
/** A webhook may have a timeout of 60 s. */
const TRY_OUT_TIMEOUT_MS = 90_000;

/** The operator's end of the control socket. */
export class ControlClient {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** @returns undefined if no server listens in this folder */
  static async connect(folder: string): Promise<ControlClient | undefined> {
    const socket = join(folder, CONTROL_SOCKET);
    if (!existsSync(socket)) return undefined;
    const client = new ControlClient(socket);
    try {
      await client.collectionProgress();
      return client;
    } catch (error) {
      if (error instanceof RegistryError) throw error;
      // The socket was left by a killed server.
      return undefined;
    }
  }

  async collect(request: string): Promise<void> {
    await this.#request('POST', `/collections/${request}`);
  }

  async retain(request: string): Promise<void> {
    await this.#request('POST', `/retentions/${request}`);
  }

  async collectionProgress(): Promise<CollectionProgress | undefined> {
    const response = await this.#request('GET', '/collections/progress');
    return parsed(collectionProgress.nullable(), await response.json()) ?? undefined;
  }

  async retentionProgress(): Promise<RetentionProgress | undefined> {
    const response = await this.#request('GET', '/retentions/progress');
    return parsed(retentionProgress.nullable(), await response.json()) ?? undefined;
  }

  /** The requests of clients since the start of the server. */
  async requests(): Promise<number> {
    const response = await this.#request('GET', '/requests');
    return parsed(requestsAnswer, await response.json()).begun;
  }

  /** @throws RegistryError `name-unknown` */
  async deleteRepository(repo: RepositoryName): Promise<void> {
    await this.#request('DELETE', `/repositories/${repo}`);
  }

  /** @throws RegistryError as `restore` in registry/restoration.ts */
  async restore(repo: RepositoryName, wanted: Restoration): Promise<Restored> {
    const response = await this.#request('POST', `/restorations/${repo}`, wanted);
    return parsed(restoredSchema, await response.json());
  }

  /** @throws RegistryError as `RobotsLog.change` in access/robots/log.ts */
  async changeRobot(name: RobotName, change: RobotChange): Promise<void> {
    try {
      await this.#request('POST', `/robots/${name}`, change);
    } catch (error) {
      if (error instanceof RegistryError) throw error;
      const message =
        'the running server ended before it answered: `marina robot list` shows whether the change was made';
      throw new RegistryError('unavailable', message, undefined, error);
    }
  }

  async hold(id: Incarnation, content: HoldContent): Promise<void> {
    await this.#request('POST', `/holds/${id}`, content);
  }

  /** Creates the hold, or replaces it by the same with a later end. */
  async renewHold(id: Incarnation, content: HoldContent): Promise<void> {
    await this.#request('PUT', `/holds/${id}`, content);
  }

  async release(id: Incarnation): Promise<void> {
    await this.#request('DELETE', `/holds/${id}`);
  }

  async reportBackup(report: RunReport): Promise<void> {
    await this.#request('POST', `/backups/${report.run}`, report);
  }

  /** @returns whether it has been carried out; otherwise it is stored @throws RegistryError `request-invalid` */
  async orderWebhook(name: WebhookName, action: WrittenOrder['action']): Promise<boolean> {
    const response = await this.#request('POST', `/webhooks/${name}/order`, action);
    return parsed(webhookOrderAnswer, await response.json()).isDone;
  }

  /** @throws RegistryError `request-invalid` */
  async tryWebhookOut(name: WebhookName): Promise<Outcome> {
    const response = await this.#request('POST', `/webhooks/${name}/test`, undefined, TRY_OUT_TIMEOUT_MS);
    return parsed(webhookOutcome, await response.json());
  }

  /** @throws RegistryError `request-invalid` where READ_ONLY is set */
  async turnReadOnly(on: boolean): Promise<void> {
    await this.#request(on ? 'PUT' : 'DELETE', '/read-only');
  }

  /** @throws RegistryError as `promote` in replica/promote.ts */
  async promote(): Promise<void> {
    await this.#request('POST', '/promotion');
  }

  /** @throws RegistryError with the server's refusal or failure */
  importTree(request: ImportRequest, listeners: Listeners): Promise<ImportReport> {
    return followImport(this.#socket, request, listeners);
  }

  /** @throws RegistryError with the server's refusal; a system error if no server listens */
  async #request(
    method: string,
    path: string,
    content?: unknown,
    timeout: number = RESPONSE_TIMEOUT_MS,
  ): Promise<Response> {
    const signal = AbortSignal.timeout(timeout);
    const body = content === undefined ? {} : { body: JSON.stringify(content) };
    const response = await fetch(`http://marina${path}`, { method, unix: this.#socket, signal, ...body });
    if (response.ok) return response;
    const { kind, message } = parsed(refusalAnswer, await response.json());
    // The kinds are known unless the versions differ, and then the message says so.
    throw new RegistryError(kind as ErrorKind, message);
  }
}

function parsed<T>(schema: z.ZodType<T>, answer: unknown): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new RegistryError('request-invalid', 'the running server is of another version: use the CLI of that version');
}
