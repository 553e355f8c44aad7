import type { Command } from 'commander';
import { readWebhooks } from '../../wiring/webhook-file.ts';
import { orderWebhook, tryWebhookOut } from '../../wiring/webhook-operator.ts';
import { addWebhookCommands } from '../webhooks.ts';
import { run } from './run.ts';

export function addVerbs(marina: Command): void {
  addWebhookCommands(marina, {
    ...{ run, read: readWebhooks, now: Date.now },
    order: (config, { reader }, { name }, action) => orderWebhook(config, reader, name, action),
    tryOut: (config, { reader }, webhook) => tryWebhookOut(config, reader, webhook),
  });
}
