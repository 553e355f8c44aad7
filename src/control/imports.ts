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
import { refusalAnswer } from './protocol.ts';

/** Imports a registry while requests are served. */
export type RunImport = (request: ImportRequest, listeners: Listeners, signal: AbortSignal) => Promise<ImportReport>;

export interface ImportAnswerPorts {
  readonly importTree: RunImport;
  /** Logs a defect, which the client does not get to see. */
  readonly failed: (error: unknown) => void;
}

/** Interval of progress lines, which also keep the connection from looking dead. */
const PROGRESS_INTERVAL_MS = 250;

const lineSchema = z.discriminatedUnion('type', [
  importProgress.extend({ type: z.literal('progress') }),
  problem.extend({ type: z.literal('problem') }),
  importReport.extend({ type: z.literal('report') }),
  z.object({ type: z.literal('failed'), kind: z.string(), message: z.string() }),
]);
type Line = z.infer<typeof lineSchema>;

/** Streams one JSON object per line. The import ends when the client disconnects. */
export async function answerImport(request: Request, ports: ImportAnswerPorts): Promise<Response> {
  const parsed = importRequest.safeParse(await request.json());
  if (!parsed.success)
    throw new RegistryError('request-invalid', 'this server does not support this import: use the CLI of its version');
  const gone = new AbortController();
  const lines = new ReadableStream<string>({
    start(controller) {
      void streamImport(parsed.data, ports, gone.signal, (line) => {
        if (!gone.signal.aborted) controller.enqueue(`${JSON.stringify(line)}\n`);
      }).finally(() => {
        if (!gone.signal.aborted) controller.close();
      });
    },
    cancel: () => gone.abort(),
  });
  return new Response(lines.pipeThrough(new TextEncoderStream()));
}

async function streamImport(
  request: ImportRequest,
  { importTree, failed }: ImportAnswerPorts,
  signal: AbortSignal,
  send: (line: Line) => void,
): Promise<void> {
  let progress: ImportProgress = { done: 0, total: 0, repository: '', read: 0 };
  const timer = setInterval(() => send({ type: 'progress', ...progress }), PROGRESS_INTERVAL_MS);
  const listeners: Listeners = {
    onProgress: (now) => {
      progress = now;
    },
    onProblem: (found) => send({ type: 'problem', ...found }),
  };
  try {
    send({ type: 'report', ...(await importTree(request, listeners, signal)) });
  } catch (error) {
    if (error instanceof RegistryError) send({ type: 'failed', kind: error.kind, message: error.message });
    else if (!signal.aborted) {
      failed(error);
      send({ type: 'failed', kind: 'unavailable', message: 'the server failed: see its log' });
    }
  } finally {
    clearInterval(timer);
  }
}

/** @throws RegistryError with the server's refusal or failure; also if the server ended during the import */
export async function followImport(
  socket: string,
  request: ImportRequest,
  listeners: Listeners,
): Promise<ImportReport> {
  let report: ImportReport | undefined;
  try {
    report = await follow(socket, request, listeners);
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw ended(error);
  }
  if (report === undefined) throw ended(undefined);
  return report;
}

/** @returns undefined if the stream ended without a report */
async function follow(socket: string, request: ImportRequest, listeners: Listeners): Promise<ImportReport | undefined> {
  const response = await fetch('http://marina/imports', {
    method: 'POST',
    unix: socket,
    body: JSON.stringify(request),
  });
  if (!response.ok) {
    const refused = refusalAnswer.safeParse(await response.json());
    if (!refused.success) return undefined;
    throw new RegistryError(refused.data.kind as ErrorKind, refused.data.message);
  }
  for await (const line of linesOf(response)) {
    const parsed = lineSchema.safeParse(JSON.parse(line));
    if (!parsed.success) return undefined;
    switch (parsed.data.type) {
      case 'progress':
        listeners.onProgress(parsed.data);
        break;
      case 'problem':
        listeners.onProblem(withoutType(parsed.data));
        break;
      case 'report':
        return withoutType(parsed.data);
      case 'failed':
        throw new RegistryError(parsed.data.kind as ErrorKind, parsed.data.message);
      default:
        unreachable(parsed.data);
    }
  }
  return undefined;
}

function ended(cause: unknown): RegistryError {
  return new RegistryError(
    'unavailable',
    'the running server ended, or is of another version: import again, with the CLI of its version; what was imported stays',
    undefined,
    cause,
  );
}

function withoutType<T extends Problem | ImportReport>({
  type: _,
  ...rest
}: T & { readonly type: string }): Omit<T, 'type'> {
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
