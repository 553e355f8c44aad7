// Sends one message to the URL of the first argument, whose host has the address of the second one, and prints the outcome.
import { Sender } from '../../src/webhooks/sender.ts';
import { parseWebhooksFile } from '../../src/webhooks/webhooks-file.ts';

const [url = '', address = ''] = process.argv.slice(2);
const [webhook] = parseWebhooksFile(JSON.stringify({ webhooks: [{ name: 'a', url, allowPrivate: true }] }));
if (webhook === undefined) throw new Error('there is no webhook');
const sender = new Sender(webhook, { resolve: async () => [address], now: () => performance.now() });
console.log(JSON.stringify(await sender.send({ headers: {}, body: '{}' }, new AbortController().signal)));
sender.close();
