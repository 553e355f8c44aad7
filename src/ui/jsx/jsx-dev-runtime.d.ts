export { Fragment, JSX, jsx as jsxDEV } from './jsx-runtime.js';
