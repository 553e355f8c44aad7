export { createElement } from 'preact';
export { renderToString } from 'preact-render-to-string';
