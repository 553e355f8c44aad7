import { BackupRefused } from '../../backup/errors.ts';
import { type BackupName, BackupPlace } from '../../backup/place.ts';
import type { Config } from '../../config.ts';
import { RegistryError } from '../../oci/errors.ts';
import { CommandError, EXIT, type ExitCode } from '../failure.ts';
import type { BackupPorts } from './ports.ts';

/** The backups with that name, or all, oldest first. */
export async function chosen(place: BackupPlace, name: string | undefined): Promise<BackupName[]> {
  await place.require();
  const all = await place.list();
  if (name === undefined) return all;
  const named = all.filter((each) => each.name === name);
  if (named.length === 0)
    throw new CommandError(EXIT.negative, `${place.name} has no whole backup ${JSON.stringify(name)}`);
  return named;
}

/** Opens a place that is only read, for one command. */
export async function reading(
  text: string,
  config: Config,
  { openArchive }: BackupPorts,
  work: (place: BackupPlace) => Promise<ExitCode>,
): Promise<ExitCode> {
  return await refusing(async () => {
    const archive = await openArchive(text, config, 'read');
    try {
      return await work(new BackupPlace(archive));
    } catch (error) {
      // It is the log in the backup, which fsck does not read.
      if (error instanceof RegistryError && error.kind === 'log-broken')
        throw new CommandError(
          EXIT.negative,
          `the backup is damaged: ${error.message}; backup verify lists all faults`,
        );
      throw error;
    } finally {
      await archive.close();
    }
  });
}

/** A refusal is one line. */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BackupRefused) throw new CommandError(EXIT.failed, error.message);
    throw error;
  }
}
