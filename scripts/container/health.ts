// The image's health check: exits 0 if the server answers. It runs in the container, with the server's PORT.
import process from 'node:process';

const response = await fetch(`http://127.0.0.1:${process.env.PORT || '5000'}/healthz`);
process.exit(response.ok ? 0 : 1);
