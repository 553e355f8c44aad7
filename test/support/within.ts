export { within } from '../../src/system/within.ts';
