// Commands that follow a store until they are interrupted.
import type { Server } from '../support/server.ts';
import { within } from '../support/within.ts';
import { marinaCommand } from './marina.ts';

/** Something that should happen soon, on a machine with other work. */
export const SOON_MS = 30_000;

export interface Following {
  readonly seen: () => string;
  readonly errors: () => string;
  /** Waits for something in the output. */
  readonly until: (isThere: (seen: string) => boolean) => Promise<void>;
  /** SIGINT. @returns the exit code */
  readonly interrupt: () => Promise<number>;
}

export function follow({ dataPath }: Pick<Server, 'dataPath'>, ...args: string[]): Following {
  const command = Bun.spawn([...marinaCommand, ...args], {
    env: { ...process.env, STORAGE_PATH: dataPath },
    stderr: 'pipe',
  });
  const output = gather(command.stdout);
  const errors = gather(command.stderr);
  return {
    seen: output,
    errors,
    until: async (isThere) => {
      const deadline = Date.now() + SOON_MS;
      while (!isThere(output())) {
        if (Date.now() > deadline) throw new Error(`it was not shown in time; the output was:\n${output()}${errors()}`);
        await Bun.sleep(20);
      }
    },
    interrupt: async () => {
      command.kill('SIGINT');
      const code = await within(SOON_MS, command.exited);
      if (code === undefined) command.kill('SIGKILL');
      return code ?? -1;
    },
  };
}

/** Collects the stream. @returns a function that gives everything so far */
function gather(stream: ReadableStream<Uint8Array>): () => string {
  let text = '';
  const decoder = new TextDecoder();
  void (async () => {
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  })();
  return () => text;
}
