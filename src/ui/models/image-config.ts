import { z } from 'zod';
import type { Part } from './manifest-model.ts';

/** What a page shows of the config of an image. Texts are those of whoever built it. */
export interface ImageConfig {
  readonly platform: string | undefined;
  /** Milliseconds since 1970. */
  readonly created: number | undefined;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: readonly string[];
  readonly workingDirectory: string | undefined;
  readonly user: string | undefined;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  readonly history: readonly HistoryEntry[];
}

export interface HistoryEntry {
  readonly command: string;
  /** Whether it made no layer. */
  readonly isEmpty: boolean;
}

/** One step of the build: a layer with the command that made it, or a command without a layer. */
export interface BuildStep {
  readonly layer: Part | undefined;
  readonly command: string | undefined;
}

const MAX_ITEMS = 500;

const text = z.string().optional().catch(undefined);
const texts = z.array(z.string()).nullish().catch(undefined);
const names = z.record(z.string(), z.unknown()).nullish().catch(undefined);
const config = z.object({
  os: text,
  architecture: text,
  variant: text,
  created: text,
  config: z
    .object({
      Entrypoint: texts,
      Cmd: texts,
      Env: texts,
      WorkingDir: text,
      User: text,
      ExposedPorts: names,
      Volumes: names,
      Labels: names,
    })
    .nullish()
    .catch(undefined),
  history: z
    .array(
      z.object({ created_by: z.string().catch('').default(''), empty_layer: z.boolean().catch(false).default(false) }),
    )
    .nullish()
    .catch(undefined),
});

/** Pure; never throws. @returns undefined for anything but the config of an image */
export function readImageConfig(json: unknown): ImageConfig | undefined {
  const { data } = config.safeParse(json);
  if (data === undefined || (data.os === undefined && data.architecture === undefined && data.config == null))
    return undefined;
  const { os, architecture, variant, created, history } = data;
  const of = data.config ?? {};
  const time = Date.parse(created ?? '');
  const labels = Object.entries(of.Labels ?? {}).filter(
    (each): each is [string, string] => typeof each[1] === 'string',
  );
  return {
    platform:
      os === undefined
        ? undefined
        : [os, architecture, variant].filter((each) => each !== undefined && each !== '').join('/'),
    created: Number.isNaN(time) ? undefined : time,
    entrypoint: bounded(of.Entrypoint),
    command: bounded(of.Cmd),
    environment: bounded(of.Env),
    workingDirectory: of.WorkingDir || undefined,
    user: of.User || undefined,
    ports: bounded(Object.keys(of.ExposedPorts ?? {})),
    volumes: bounded(Object.keys(of.Volumes ?? {})),
    labels: new Map(labels.slice(0, MAX_ITEMS)),
    history: (history ?? [])
      .slice(0, MAX_ITEMS)
      .map((each) => ({ command: readableCommand(each.created_by), isEmpty: each.empty_layer })),
  };
}

function bounded(list: readonly string[] | null | undefined): readonly string[] {
  return (list ?? []).slice(0, MAX_ITEMS);
}

/** A command as its Dockerfile has it, without what builders add around it. */
function readableCommand(createdBy: string): string {
  const plain = createdBy.replace(/\s+# buildkit$/, '').trim();
  const instruction = /^\/bin\/sh -c #\(nop\)\s+/.exec(plain);
  if (instruction !== null) return plain.slice(instruction[0].length).trim();
  const run = /^(?:RUN )?(?:\|\d+ (?:\S+=\S* )*)?\/bin\/(?:ba)?sh -c /.exec(plain);
  return run === null ? plain : `RUN ${plain.slice(run[0].length).trim()}`;
}

/**
 * The steps of a build in their order. If the history does not have one entry for each layer, its commands cannot be assigned and are
 * left out. Pure.
 */
export function buildSteps(layers: readonly Part[], history: readonly HistoryEntry[]): BuildStep[] {
  if (history.filter(({ isEmpty }) => !isEmpty).length !== layers.length) {
    return layers.map((layer) => ({ layer, command: undefined }));
  }
  let at = 0;
  return history.map(({ command, isEmpty }) => ({
    layer: isEmpty ? undefined : layers[at++],
    command: command === '' ? undefined : command,
  }));
}
