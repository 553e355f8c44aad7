import type { Child, Element } from './jsx-runtime.js';

/** An element whose name is known only at run time. */
export declare function createElement(name: string, props: null, children: Child): Element;

/** HTML. All text and attributes are escaped. */
export declare function renderToString(element: Element): string;
