import { RegistryError } from '../../oci/errors.ts';
import { FORM_TOKEN } from '../../ui/document.tsx';
import { readForm } from '../form-body.ts';
import { type PageContext, passiveFor, passiveRefusal } from './page-context.ts';

/**
 * The fields of a form that changes something.
 * @throws RegistryError `denied` if the form may not come from a page of this registry, or the page offers no actions;
 * `request-invalid`; errors of reading a body
 */
export async function readAction(page: PageContext): Promise<URLSearchParams> {
  const refusal = passiveRefusal(passiveFor(page.context, page.ui));
  if (refusal !== undefined) throw refusal;
  return await readPageForm(page);
}

/** The fields of any form of the page. @throws as `readAction` */
export async function readPageForm({ context, ports, ui }: PageContext): Promise<URLSearchParams> {
  const fields = await readForm(context, ports.limits.body);
  if (ui.formTokens.isValid(fields.get(FORM_TOKEN) ?? '', context.login)) return fields;
  throw new RegistryError(
    'denied',
    'this form is too old, or not from this page: go back, load the page again and retry',
  );
}
