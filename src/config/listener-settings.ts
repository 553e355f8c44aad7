import { duration, integer, text } from './setting.ts';

/** Settings of TLS and of the ports beside PORT. */
export const LISTENER_SETTINGS = {
  tlsCertFile: text('TLS_CERT_FILE', {
    sentence:
      'File with the certificate (PEM) for HTTPS on PORT, followed by the intermediate ones; needs TLS_KEY_FILE. Both are read again when they change.',
  }),
  tlsKeyFile: text('TLS_KEY_FILE', { sentence: 'File with the private key (PEM) of that certificate.' }),
  tlsClientCaFile: text('TLS_CLIENT_CA_FILE', {
    sentence:
      'File with the CAs (PEM) of client certificates. Clients may then present one; a verified one gives the identity cert:<CN>. The file is read again when it changes.',
  }),
  tlsRedirectPort: integer('TLS_REDIRECT_PORT', 0, 65535, {
    sentence: 'Port on which plain HTTP is answered with a redirect (308) to HTTPS.',
  }),
  hstsMaxAge: duration('HSTS_MAX_AGE', {
    fallback: '0s',
    sentence:
      'How long browsers use only HTTPS for this host after a visit (Strict-Transport-Security); 0s: the header is not sent. Needs TLS_CERT_FILE.',
  }),
  metricsPort: integer('METRICS_PORT', 0, 65535, {
    sentence:
      'Port for /metrics, /healthz and /readyz, without TLS and without access control; do not expose it to the public. With accounts, /metrics on PORT needs the action metrics.',
  }),
  metricsHost: text('METRICS_HOST', { sentence: 'Address that METRICS_PORT listens on; the default is HOST.' }),
} as const;
