// The image's health check: exit code 0 while the server answers. Run inside the container, where PORT is the server's.
import process from 'node:process';

const response = await fetch(`http://127.0.0.1:${process.env.PORT || '5000'}/healthz`);
process.exit(response.ok ? 0 : 1);
