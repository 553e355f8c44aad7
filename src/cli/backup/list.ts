import type { BackupPlace } from '../../backup/place.ts';
import { reportOf } from '../../backup/run.ts';
import { EXIT, type ExitCode } from '../failure.ts';
import type { Output } from '../output.ts';
import type { NameOption } from './ports.ts';
import { readable } from './readable.ts';

/** `backup list <place>` */
export async function listPlace(place: BackupPlace, { json }: NameOption, output: Output): Promise<ExitCode> {
  await place.require();
  for (const each of await place.list()) {
    const report = reportOf(await place.read(each));
    await (json === true ? output.json(report) : output.line(readable(report)));
  }
  return EXIT.ok;
}
