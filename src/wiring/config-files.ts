import { FileProblem, ReloadedFile, type ReloadedFileOptions } from '../access/reloaded-file.ts';
import { ConfigError } from '../config.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';

export interface ConfigFilePorts<Name extends string, T>
  extends Pick<ReloadedFileOptions<Name, T>, 'paths' | 'creation' | 'parse' | 'everyMs' | 'settleMs'> {
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Called with each new value after the first. */
  readonly onChange?: (value: T) => void;
}

/**
 * Opens files that are read again when they change, and reports each reload in the log and in /metrics. The caller closes the result.
 * @param ports `paths` are by the settings that name them
 * @throws ConfigError in one line
 */
export async function openConfigFile<Name extends string, T>({
  logger,
  telemetry,
  onChange,
  ...options
}: ConfigFilePorts<Name, T>): Promise<ReloadedFile<Name, T>> {
  const { configFiles } = telemetry;
  const names = Object.keys(options.paths) as Name[];
  const file = await orConfigError(
    ReloadedFile.open({
      ...options,
      onReload: (reload) => {
        for (const name of names) configFiles.reloaded(name, reload.kind);
        if (reload.kind === 'refused') {
          logRefused(logger, names, reload.error);
          return;
        }
        logger.info({ files: names, hashes: file.hashes }, 'a changed configuration file is in use');
        onChange?.(file.value);
      },
    }),
  );
  for (const name of names) {
    configFiles.observe({ name, hash: () => file.hashes[name], isCurrent: () => file.isCurrent });
  }
  return file;
}

/**
 * Reads files once, as a server would at its start.
 * @throws ConfigError in one line
 */
export async function readConfigFile<Name extends string, T>(
  options: Pick<ReloadedFileOptions<Name, T>, 'paths' | 'creation' | 'parse'>,
): Promise<T> {
  const file = await orConfigError(ReloadedFile.open({ ...options, onReload: () => {} }));
  file.close();
  return file.value;
}

/** A problem that the operator can fix is one line; a defect of the parser is logged with its stack. */
function logRefused(logger: Logger, files: readonly string[], error: unknown): void {
  const message = 'a changed configuration file cannot be used; its last good content stays in use';
  if (error instanceof FileProblem) logger.error({ files, reason: error.message }, message);
  else logger.error({ files, err: error }, message);
}

/** @throws ConfigError instead of a FileProblem */
async function orConfigError<T>(opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    throw error instanceof FileProblem ? new ConfigError(error.message) : error;
  }
}
