import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { tools } from '../support/command.ts';
import { ACCESS_KEY, plainClient, SECRET_KEY } from '../support/minio.ts';
import { freePort, temporaryFolder } from '../support/server.ts';

const READY_WITHIN_MS = 60_000;

/** A MinIO that can be killed, restarted on its folder, and frozen. */
export class DrillObjectStore {
  readonly port = freePort();
  readonly bucket = 'drill';
  readonly #binary: string;
  readonly #folder = temporaryFolder('drill-objects');
  #process: Bun.Subprocess | undefined;

  private constructor(binary: string) {
    this.#binary = binary;
  }

  static async start(): Promise<DrillObjectStore> {
    const [binary] = await tools('minio');
    const store = new DrillObjectStore(binary);
    mkdirSync(join(store.#folder, 'data'));
    await store.start();
    const client = plainClient(`http://127.0.0.1:${store.port}`);
    await client.send(new CreateBucketCommand({ Bucket: store.bucket }));
    client.destroy();
    return store;
  }

  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    const log = Bun.file(join(this.#folder, 'server.log'));
    const address = ['--address', `127.0.0.1:${this.port}`, '--console-address', `127.0.0.1:${freePort()}`];
    this.#process = Bun.spawn([this.#binary, 'server', join(this.#folder, 'data'), ...address], {
      env: {
        ...{ PATH: process.env.PATH ?? '', HOME: this.#folder, MINIO_UPDATE: 'off' },
        ...{ MINIO_ROOT_USER: ACCESS_KEY, MINIO_ROOT_PASSWORD: SECRET_KEY },
      },
      ...{ stdin: 'ignore', stdout: log, stderr: log },
    });
    const deadline = performance.now() + READY_WITHIN_MS;
    while (!(await this.#isReady())) {
      if (performance.now() > deadline) throw new Error(`MinIO did not become ready; its log:\n${await log.text()}`);
      await Bun.sleep(50);
    }
  }

  async #isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.port}/minio/health/ready`, {
        signal: AbortSignal.timeout(1_000),
      });
      // It says so while it answers no other request.
      return answer.ok && !answer.headers.has('x-minio-server-status');
    } catch {
      // It does not listen yet.
      return false;
    }
  }

  /** SIGKILL, then waits. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    process?.kill('SIGKILL');
    await process?.exited;
  }

  /** Stops answering and keeps its connections, until `thaw`. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }
}
