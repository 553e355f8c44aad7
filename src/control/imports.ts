import { z } from 'zod';
import {
  type ImportProgress,
  type ImportReport,
  type ImportRequest,
  importProgress,
  importReport,
  importRequest,
  type Problem,
  problem,
} from '../importing/report.ts';
import type { Listeners } from '../importing/tally.ts';
import { type ErrorKind, RegistryError, unreachable } from '../oci/errors.ts';

/** Takes over a registry, beside requests. */
export type RunImport = (request: ImportRequest, listeners: Listeners, signal: AbortSignal) => Promise<ImportReport>;

export interface ImportAnswerPorts {
  readonly importTree: RunImport;
  /** A defect: whoever asked learns nothing of it. */
  readonly failed: (error: unknown) => void;
}

/** How often it is told how far an import is; also that the connection is not taken for a dead one. */
const TOLD_EVERY_MS = 250;

const told = z.discriminatedUnion('type', [
  importProgress.extend({ type: z.literal('progress') }),
  problem.extend({ type: z.literal('problem') }),
  importReport.extend({ type: z.literal('report') }),
  z.object({ type: z.literal('failed'), kind: z.string(), message: z.string() }),
]);
type Told = z.infer<typeof told>;

/** One JSON object a line; when the asker goes away, the import ends. */
export async function answerImport(request: Request, ports: ImportAnswerPorts): Promise<Response> {
  const wish = importRequest.safeParse(await request.json());
  if (!wish.success) throw new RegistryError('request-invalid', 'this server does not know such an import');
  const gone = new AbortController();
  const lines = new ReadableStream<string>({
    start(controller) {
      void tell(wish.data, ports, gone.signal, (line) => {
        if (!gone.signal.aborted) controller.enqueue(`${JSON.stringify(line)}\n`);
      }).finally(() => {
        if (!gone.signal.aborted) controller.close();
      });
    },
    cancel: () => gone.abort(),
  });
  return new Response(lines.pipeThrough(new TextEncoderStream()));
}

async function tell(
  wish: ImportRequest,
  { importTree, failed }: ImportAnswerPorts,
  signal: AbortSignal,
  say: (line: Told) => void,
): Promise<void> {
  let progress: ImportProgress = { done: 0, total: 0, repository: '', read: 0 };
  const timer = setInterval(() => say({ type: 'progress', ...progress }), TOLD_EVERY_MS);
  const listeners: Listeners = {
    onProgress: (now) => {
      progress = now;
    },
    onProblem: (found) => say({ type: 'problem', ...found }),
  };
  try {
    say({ type: 'report', ...(await importTree(wish, listeners, signal)) });
  } catch (error) {
    if (error instanceof RegistryError) say({ type: 'failed', kind: error.kind, message: error.message });
    else if (!signal.aborted) {
      failed(error);
      say({ type: 'failed', kind: 'unavailable', message: 'the server failed: see its log' });
    }
  } finally {
    clearInterval(timer);
  }
}

/** @throws RegistryError what the server refused with, or failed for; also when it ended in the middle */
export async function followImport(socket: string, wish: ImportRequest, listeners: Listeners): Promise<ImportReport> {
  let report: ImportReport | undefined;
  try {
    report = await follow(socket, wish, listeners);
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw ended(error);
  }
  if (report === undefined) throw ended(undefined);
  return report;
}

/** @returns undefined when the last line was no report */
async function follow(socket: string, wish: ImportRequest, listeners: Listeners): Promise<ImportReport | undefined> {
  const response = await fetch('http://marina/imports', { method: 'POST', unix: socket, body: JSON.stringify(wish) });
  for await (const line of linesOf(response)) {
    const said = told.safeParse(JSON.parse(line));
    if (!said.success) return undefined;
    switch (said.data.type) {
      case 'progress':
        listeners.onProgress(said.data);
        break;
      case 'problem':
        listeners.onProblem(plain(said.data));
        break;
      case 'report':
        return plain(said.data);
      case 'failed':
        throw new RegistryError(said.data.kind as ErrorKind, said.data.message);
      default:
        unreachable(said.data);
    }
  }
  return undefined;
}

function ended(cause: unknown): RegistryError {
  return new RegistryError(
    'unavailable',
    'the running server ended, or is of another version: import again with its own CLI, what was taken over stays',
    undefined,
    cause,
  );
}

function plain<T extends Problem | ImportReport>({ type: _, ...rest }: T & { readonly type: string }): Omit<T, 'type'> {
  return rest;
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  const text = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    const lines = (rest + text.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
