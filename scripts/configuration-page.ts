import type { Setting } from '../src/config/setting.ts';
import { SETTINGS } from '../src/config.ts';

/** The text of docs/configuration.md: one row per setting, in the order of src/config.ts. */
export function configurationPage(): string {
  const settings: readonly Setting<unknown>[] = Object.values(SETTINGS);
  const rows = settings.map(({ name, aliases, type, fallback, sentence }) => {
    const names = [name, ...aliases].map((each) => `\`${each}\``).join(', ');
    const written = fallback === undefined || fallback === '' ? '' : `\`${fallback}\``;
    return `| ${names} | ${type} | ${written} | ${sentence} |`;
  });
  return [
    '# Configuration',
    '',
    'Every setting is an environment variable. `npm run docs` generates this page from `src/config.ts`.',
    'An invalid value stops the start with one line; an empty variable counts as unset unless its description says otherwise.',
    'Durations are written like `500ms`, `30s`, `10m`, `24h`, `7d`; sizes in bytes like `4096`, `512KiB`, `64MiB`, `1GiB`.',
    '',
    '| name | type | default | description |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
