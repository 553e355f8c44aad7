import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import type { CollectionProgress } from '../collection/collect.ts';
import type { ImportReport, ImportRequest } from '../importing/report.ts';
import type { Listeners } from '../importing/tally.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import { type Restoration, type Restored, restoredSchema } from '../registry/restoration.ts';
import type { RetentionProgress } from '../retention/retain.ts';
import { followImport } from './imports.ts';
import { CONTROL_SOCKET, collectionProgress, refusalAnswer, retentionProgress } from './protocol.ts';

const ANSWER_WITHIN_MS = 30_000;

/** The server that holds a data folder, as the operator's commands ask it. */
export class ControlClient {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** @returns undefined when no server listens in this folder */
  static async connect(folder: string): Promise<ControlClient | undefined> {
    const socket = join(folder, CONTROL_SOCKET);
    if (!existsSync(socket)) return undefined;
    const client = new ControlClient(socket);
    try {
      await client.collectionProgress();
      return client;
    } catch (error) {
      // What a killed server left.
      if (error instanceof RegistryError) throw error;
      return undefined;
    }
  }

  async collect(request: string): Promise<void> {
    await this.#ask('POST', `/collections/${request}`);
  }

  async retain(request: string): Promise<void> {
    await this.#ask('POST', `/retentions/${request}`);
  }

  async collectionProgress(): Promise<CollectionProgress | undefined> {
    const response = await this.#ask('GET', '/collections/progress');
    return parsed(collectionProgress.nullable(), await response.json()) ?? undefined;
  }

  async retentionProgress(): Promise<RetentionProgress | undefined> {
    const response = await this.#ask('GET', '/retentions/progress');
    return parsed(retentionProgress.nullable(), await response.json()) ?? undefined;
  }

  /** @throws RegistryError `name-unknown` */
  async deleteRepository(repo: RepositoryName): Promise<void> {
    await this.#ask('DELETE', `/repositories/${repo}`);
  }

  /** @throws RegistryError as `restore` in registry/restoration.ts */
  async restore(repo: RepositoryName, wanted: Restoration): Promise<Restored> {
    const response = await this.#ask('POST', `/restorations/${repo}`, wanted);
    return parsed(restoredSchema, await response.json());
  }

  /** @throws RegistryError what the server refused with, or failed for */
  importTree(request: ImportRequest, listeners: Listeners): Promise<ImportReport> {
    return followImport(this.#socket, request, listeners);
  }

  /** @throws RegistryError what the server refused with; what the system says when nobody listens */
  async #ask(method: string, path: string, content?: unknown): Promise<Response> {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const body = content === undefined ? {} : { body: JSON.stringify(content) };
    const response = await fetch(`http://marina${path}`, { method, unix: this.#socket, signal, ...body });
    if (response.ok) return response;
    const { kind, message } = parsed(refusalAnswer, await response.json());
    // Both are of one version, or the message says so.
    throw new RegistryError(kind as ErrorKind, message);
  }
}

function parsed<T>(schema: z.ZodType<T>, answer: unknown): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new RegistryError('request-invalid', 'the running server is of another version: use its CLI');
}
