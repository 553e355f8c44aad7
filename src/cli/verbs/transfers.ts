import type { Command } from 'commander';
import { type Config, readConfig } from '../../config.ts';
import { NoStore } from '../../storage/prepare.ts';
import { sleep } from '../../wiring/basics.ts';
import type { ExitCode } from '../failure.ts';
import type { RunImport } from '../import.ts';
import { openStore } from '../open-store.ts';
import type { Output } from '../output.ts';
import { addTransferCommands } from '../transfers.ts';
import { report, run } from './run.ts';

/** Adds the verbs that bring images in and take them out. */
export function addVerbs(marina: Command): void {
  addTransferCommands(marina, { run, withImporter });
}

/** An import, or a dry run of one, into the configured store. */
function withImporter(
  dryRun: boolean,
  work: (importer: RunImport, output: Output) => Promise<ExitCode>,
): Promise<void> {
  return report(async (output) => {
    const config = readConfig(process.env);
    if (dryRun) return await withPreview(config, (importer) => work(importer, output));
    const { openImporter } = await import('../../wiring/importing.ts');
    const importer = await openImporter(config);
    try {
      return await work(importer.run, output);
    } finally {
      await importer.close();
    }
  });
}

async function withPreview(config: Config, work: (importer: RunImport) => Promise<ExitCode>): Promise<ExitCode> {
  const { previewImport } = await import('../../wiring/importing.ts');
  const store = await openStore(config, sleep).catch((error: unknown) => {
    if (error instanceof NoStore) return undefined;
    throw error;
  });
  try {
    return await work((request, listeners) => previewImport(config, store?.reader, request, listeners));
  } finally {
    await store?.close();
  }
}
