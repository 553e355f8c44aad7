// Types are in jsx-runtime.d.ts: Preact's own would add the DOM to all code of the server.
export { Fragment, jsx, jsxs } from 'preact/jsx-runtime';
