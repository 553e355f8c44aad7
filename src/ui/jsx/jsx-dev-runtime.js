export { Fragment, jsxDEV } from 'preact/jsx-runtime';
