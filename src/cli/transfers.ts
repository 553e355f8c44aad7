import type { Command } from 'commander';
import { type ExportOptions, exportImages } from './export.ts';
import type { ExitCode } from './failure.ts';
import { type ImportOptions, importRegistry, type LoadOptions, loadArchive, type RunImport } from './import.ts';
import type { OpenStore } from './open-store.ts';
import type { Output } from './output.ts';

export interface TransferPorts {
  readonly run: (work: (store: OpenStore, output: Output) => Promise<ExitCode>) => Promise<void>;
  /** @param dryRun whether nothing may be written */
  readonly withImporter: (
    dryRun: boolean,
    work: (importer: RunImport, output: Output) => Promise<ExitCode>,
  ) => Promise<void>;
}

/** Adds `import`, `export` and `load`. They can be used while servers run. */
export function addTransferCommands(marina: Command, { run, withImporter }: TransferPorts): void {
  marina
    .command('import')
    .description(
      'import another registry: the data folder of distribution (registry:2, registry:3), or its bucket and prefix',
    )
    .argument('<source>', 'folder that holds docker/registry/v2, or s3://bucket/prefix')
    .option('--dry-run', 'only show what would be imported, and what would be left out')
    .option('--trust', 'do not read blobs to verify their digests')
    .option('--move-tags', 'let tags of the source overwrite those that point elsewhere here')
    .option('--json', 'print one JSON object per problem, and one for the summary')
    .action((source: string, options: ImportOptions) =>
      withImporter(options.dryRun === true, (importer, output) => importRegistry(source, options, importer, output)),
    );
  marina
    .command('export')
    .description(
      'write images, with their referrers and everything that they refer to, to a tar file (OCI image layout)',
    )
    .argument('<repo[:tag|@digest]...>', 'images; all tags of a repository if only its name is given')
    .requiredOption('-o, --output <file>', 'the file; it is replaced once the new one is complete')
    .option('--json', 'print one JSON object')
    .action((names: string[], options: ExportOptions) =>
      run((store, output) => exportImages(names, options, store, output)),
    );
  marina
    .command('load')
    .description(
      'load the images of a tar file (OCI image layout) as written by export, skopeo, podman, oras or docker',
    )
    .argument('<file>', 'the tar file')
    .argument('[repo]', 'the repository that gets all of them; if absent, the file must name their repositories')
    .option('--dry-run', 'only show what would be loaded, and what would be left out')
    .option('--move-tags', 'let tags of the file overwrite those that point elsewhere here')
    .option('--json', 'print one JSON object per problem, and one for the summary')
    .action((file: string, repo: string | undefined, options: LoadOptions) =>
      withImporter(options.dryRun === true, (importer, output) => loadArchive(file, repo, options, importer, output)),
    );
}
