import { type Command, InvalidArgumentError } from 'commander';
import type { Config } from '../../config.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { removeRepository } from '../gc.ts';
import { type OpenStore, requireRepository, requireTag } from '../open-store.ts';
import { parseWhen, type Restore, type RestoreOptions, restoreThing, thingOf } from '../restore.ts';
import type { Thing, When } from '../undo/past.ts';
import { asOperator, run } from './run.ts';
import { positiveInteger } from './slot-number.ts';

/** Adds the verbs that delete repositories, and restore what was deleted or overwritten. */
export function addVerbs(marina: Command): void {
  marina
    .command('rm')
    .description('delete a repository with all its tags, manifests and blobs')
    .argument('<repo>', 'name of the repository')
    .action((name: string) =>
      run(async (store, output, config) => {
        const repo = requireRepository(name);
        return await removeRepository(repo, () => removeFrom(repo, config, store), output);
      }),
    );
  marina
    .command('restore')
    .description('restore a deleted tag or manifest, or one of a deleted repository, while its bytes exist (GC_GRACE)')
    .argument('<repo>', 'name of the repository')
    .argument('<tag|digest>', 'the tag, or the digest of the manifest')
    .option('--at <time|seq>', 'restore it as of this time (ISO 8601, UTC) or slot', time)
    .option('--json', 'print one JSON object: what was linked again, and the tags that were set')
    .action((repo: string, reference: string, options: RestoreOptions) =>
      runRestore(repo, () => thingOf(reference), options),
    );
  marina
    .command('tag')
    .description('roll a tag back to its value after a slot; history shows the slots')
    .argument('<repo>', 'name of the repository')
    .argument('<tag>', 'name of the tag')
    .requiredOption('--to <seq>', 'the slot', positiveInteger)
    .option('--json', 'print one JSON object: what was linked again, and the tag')
    .action((repo: string, tag: string, { to, ...options }: { to: number; json?: true }) =>
      runRestore(repo, () => ({ kind: 'tag', tag: requireTag(tag) }), { ...options, at: { kind: 'slot', seq: to } }),
    );
}

function runRestore(name: string, thing: () => Thing, options: RestoreOptions): Promise<void> {
  return run((store, output, config) => {
    const restore: Restore = (repo, wanted) => asOperator(config, store, (operator) => operator.restore(repo, wanted));
    return restoreThing(requireRepository(name), thing(), options, { ...store, restore }, output);
  });
}

async function removeFrom(repo: RepositoryName, config: Config, store: OpenStore): Promise<boolean> {
  try {
    await asOperator(config, store, (operator) => operator.deleteRepository(repo));
    return true;
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'name-unknown') return false;
    throw error;
  }
}

function time(text: string): When {
  const when = parseWhen(text);
  if (when === undefined)
    throw new InvalidArgumentError('A slot number, or a time such as 2026-01-31T08:00:00Z, is expected.');
  return when;
}
