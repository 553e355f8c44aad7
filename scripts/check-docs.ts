// Part of `npm run check`: docs/configuration.md is printed, never written by hand.
import { readFileSync } from 'node:fs';
import { configurationPage } from './configuration-page.ts';

const page = new URL('../docs/configuration.md', import.meta.url);
if (readFileSync(page, 'utf8') !== configurationPage()) {
  console.error('docs/configuration.md is not what src/config.ts says: run `npm run docs`');
  process.exit(1);
}
