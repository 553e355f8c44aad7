import type { Change } from '../../feed/change.ts';
import type { FormatName } from '../webhook.ts';
import { cloudevents, cloudeventsBatch } from './cloudevents.ts';
import { distribution } from './distribution.ts';
import type { Format, RegistryAddress } from './format.ts';
import { harbor } from './harbor.ts';

export const FORMATS: Readonly<Record<FormatName, Format>> = {
  distribution,
  cloudevents: shared(cloudevents),
  'cloudevents-batch': cloudeventsBatch,
  harbor: shared(harbor),
};

/** The body of a change is rendered once for all webhooks that get it. They read the same pages, so they have the same object. */
function shared(format: Format): Format {
  const known = new WeakMap<Change, { readonly registry: RegistryAddress; readonly body: string }>();
  return {
    ...format,
    render: (changes, registry) => {
      const [change] = changes;
      if (change === undefined || changes.length > 1) return format.render(changes, registry);
      const found = known.get(change);
      if (found?.registry === registry) return found.body;
      const body = format.render(changes, registry);
      known.set(change, { registry, body });
      return body;
    },
  };
}
