import { RegistryError } from '../../oci/errors.ts';
import { parseIncarnation, type RepositoryName } from '../../oci/names.ts';
import { repositoryAddress } from '../../ui/addresses.ts';
import { seeOther } from './html-response.ts';
import type { PageContext } from './page-context.ts';
import { readAction } from './read-form.ts';

const DAY = 24 * 3_600_000;

/** Pins what a repository has now. Fields: `days`, and a `name` that may be empty. */
export async function pinRepository(repo: RepositoryName, page: PageContext): Promise<Response> {
  const { context, sources } = page;
  const fields = await readAction(page);
  const days = fields.get('days') ?? '';
  if (!/^[1-9]\d{0,3}$/.test(days))
    throw new RegistryError('request-invalid', 'the form does not say for how many days');
  const name = fields.get('name')?.trim() || undefined;
  await sources.pins.pin(repo, { name, duration: Number(days) * DAY }, context);
  return seeOther(`${repositoryAddress(repo)}#pins`);
}

/** Ends a pin. Field: its `id`. */
export async function unpinRepository(repo: RepositoryName, page: PageContext): Promise<Response> {
  const { context, sources } = page;
  const id = parseIncarnation((await readAction(page)).get('id') ?? '');
  if (id === undefined) throw new RegistryError('request-invalid', 'the form does not say which pin ends');
  await sources.pins.unpin(repo, id, context);
  return seeOther(`${repositoryAddress(repo)}#pins`);
}
