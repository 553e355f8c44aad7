import type { FormatName } from '../webhook.ts';
import { cloudevents, cloudeventsBatch } from './cloudevents.ts';
import { distribution } from './distribution.ts';
import type { Format } from './format.ts';
import { harbor } from './harbor.ts';

export const FORMATS: Readonly<Record<FormatName, Format>> = {
  ...{ distribution, cloudevents, harbor },
  'cloudevents-batch': cloudeventsBatch,
};
