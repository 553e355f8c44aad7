// The image's health check: exits 0 if the server answers. It runs in the container, with the server's settings.
import process from 'node:process';

const { PORT, TLS_CERT_FILE } = process.env;
const scheme = TLS_CERT_FILE ? 'https' : 'http';
// It only asks whether this container's server answers; the certificate is for the clients' name of it, not for this address.
const tls = { rejectUnauthorized: false };
const response = await fetch(`${scheme}://127.0.0.1:${PORT || '5000'}/healthz`, { tls });
process.exit(response.ok ? 0 : 1);
