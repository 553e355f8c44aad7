import { UploadPartCommand } from '@aws-sdk/client-s3';
import type { S3Clients } from '../../src/storage/s3/clients.ts';
import type { Machine } from './machine.ts';
import type { NodeEnvironment } from './node.ts';
import { S3Refusal } from './s3.ts';
import { stepOf } from './steps.ts';

/** After how many milliseconds the sender of a lost request notices the broken connection. */
const BREAKS_AFTER_MS = 400;

/** Replaces the SDK's clients of one node: requests and answers may arrive late or never. */
export class SimulatedClient {
  readonly #machine: Machine;
  readonly #environment: NodeEnvironment;

  constructor(machine: Machine, environment: NodeEnvironment) {
    this.#machine = machine;
    this.#environment = environment;
  }

  async send(command: object, { abortSignal }: { readonly abortSignal?: AbortSignal } = {}): Promise<unknown> {
    const body = await bodyOf(command);
    const { scheduler } = this.#machine;
    const { bucket, network, happened } = this.#environment;
    const what = kindOf(command);
    happened(`sending ${what}`, this.#machine);
    if (this.#machine.isHanging) await this.#machine.sleep(0);
    const way = network.toStore();
    return new Promise((resolve, reject) => {
      const broken = () => reject(new Error('the connection broke'));
      abortSignal?.addEventListener('abort', () => reject(abortSignal.reason));
      const answer = (deliver: () => void): void => {
        if (way.back === undefined) scheduler.after(BREAKS_AFTER_MS, broken, this.#machine);
        else scheduler.after(way.back, deliver, this.#machine);
      };
      if (way.there === undefined) {
        scheduler.after(BREAKS_AFTER_MS, broken, this.#machine);
        return;
      }
      scheduler.after(way.there, () => {
        try {
          if (way.refused) throw new S3Refusal('SlowDown', 503);
          const reply = bucket.handle(command, body);
          happened(what, this.#machine);
          answer(() => resolve(reply));
        } catch (error) {
          answer(() => reject(error));
        }
      });
    });
  }

  destroy(): void {}
}

/** The clients of the driver, all the same one: the driver uses only `send` and `destroy` of an S3Client. */
export function simulatedClients(machine: Machine, environment: NodeEnvironment): S3Clients {
  const client = new SimulatedClient(machine, environment);
  const get = (_: object, name: string | symbol) => (name === 'destroy' ? () => {} : client);
  return new Proxy({}, { get }) as S3Clients;
}

const OPERATIONS: Readonly<Record<string, string>> = {
  GetObjectCommand: 'read',
  HeadObjectCommand: 'head',
  PutObjectCommand: 'write',
  DeleteObjectCommand: 'delete',
  DeleteObjectsCommand: 'delete',
  ListObjectsV2Command: 'list',
};

/** The kind of a request, by which faults are injected. */
function kindOf(command: object): string {
  if (command instanceof UploadPartCommand) return 'part';
  const { input } = command as { input: RequestInput };
  const key = input.Key ?? input.Prefix ?? input.Delete?.Objects?.[0]?.Key ?? '';
  const operation = OPERATIONS[command.constructor.name] ?? 'upload';
  return stepOf(operation === 'write' && input.IfNoneMatch !== undefined ? 'create' : operation, key);
}

interface RequestInput {
  readonly Key?: string;
  readonly Prefix?: string;
  readonly IfNoneMatch?: string;
  readonly Delete?: { readonly Objects?: readonly { readonly Key?: string }[] };
}

export async function bodyOf(command: object): Promise<Uint8Array> {
  const { input } = command as { input: { readonly Body?: Uint8Array | ReadableStream<Uint8Array> } };
  const { Body } = input;
  if (Body === undefined) return new Uint8Array();
  if (Body instanceof Uint8Array) return Body.slice();
  const chunks: Uint8Array[] = [];
  for await (const chunk of Body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
