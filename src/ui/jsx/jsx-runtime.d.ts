/**
 * The elements and attributes that pages may have. Inline styles, event handlers and raw HTML do not compile, so no page can violate its
 * Content-Security-Policy, and no text of strangers becomes markup: Preact's renderer escapes all text and attributes.
 */

export type Child = Element | string | number | boolean | null | undefined | readonly Child[];

declare const brand: unique symbol;
/** Markup that a component returns. */
export interface Element {
  readonly [brand]: true;
}

type Text = string | number | undefined;
type Flag = boolean | undefined;

interface Global {
  readonly class?: string | undefined;
  readonly id?: string | undefined;
  readonly title?: string | undefined;
  readonly lang?: string;
  readonly role?: string | undefined;
  readonly tabIndex?: number;
  readonly hidden?: Flag;
  readonly children?: Child;
  readonly [data: `data-${string}`]: string | boolean | undefined;
  readonly [aria: `aria-${string}`]: string | boolean | undefined;
}

interface Link extends Global {
  readonly href: string;
  readonly rel?: string;
}

interface Input extends Global {
  readonly type?:
    | 'search'
    | 'text'
    | 'password'
    | 'hidden'
    | 'checkbox'
    | 'radio'
    | 'range'
    | 'date'
    | 'datetime-local'
    | 'number'
    | 'url';
  readonly name?: string;
  readonly value?: Text;
  readonly checked?: Flag;
  readonly required?: Flag;
  readonly disabled?: Flag;
  readonly placeholder?: string;
  readonly autocomplete?: string;
  readonly autocapitalize?: 'none';
  readonly spellcheck?: boolean;
  readonly maxLength?: number;
  readonly min?: Text;
  readonly max?: Text;
  readonly step?: Text;
  readonly list?: string;
}

interface Shape extends Global {
  readonly d?: string;
  readonly x?: Text;
  readonly y?: Text;
  readonly x1?: Text;
  readonly x2?: Text;
  readonly y1?: Text;
  readonly y2?: Text;
  readonly cx?: Text;
  readonly cy?: Text;
  readonly r?: Text;
  readonly rx?: Text;
  readonly width?: Text;
  readonly height?: Text;
  readonly points?: string;
  readonly transform?: string;
}

interface Elements {
  readonly html: Global;
  readonly head: Global;
  readonly body: Global;
  readonly meta: Global & { readonly charset?: string; readonly name?: string; readonly content?: string };
  readonly link: Link & { readonly type?: string; readonly blocking?: 'render' };
  readonly script: { readonly src: string; readonly defer: true };
  readonly a: Link & { readonly download?: Flag };
  readonly form: Global & { readonly action: string; readonly method: 'get' | 'post' };
  readonly input: Input;
  readonly button: Global & {
    readonly type: 'submit' | 'button';
    readonly name?: string;
    readonly value?: string;
    readonly disabled?: Flag;
  };
  readonly select: Global & { readonly name: string };
  readonly option: Global & { readonly value: string; readonly selected?: Flag };
  readonly textarea: Global & { readonly name: string; readonly rows?: number; readonly maxLength?: number };
  readonly label: Global & { readonly for?: string };
  readonly details: Global & { readonly open?: Flag; readonly name?: string };
  readonly dialog: Global & { readonly open?: Flag };
  readonly time: Global & { readonly dateTime: string };
  readonly th: Global & { readonly scope: 'row' | 'col' | 'rowgroup'; readonly colSpan?: number };
  readonly td: Global & { readonly colSpan?: number };
  readonly progress: Global & { readonly value?: Text; readonly max?: Text };
  readonly svg: Shape & { readonly viewBox?: string; readonly preserveAspectRatio?: 'none' };
  readonly path: Shape;
  readonly rect: Shape;
  readonly circle: Shape;
  readonly line: Shape;
  readonly polyline: Shape;
  readonly g: Shape;
  readonly text: Shape;
}

type Plain =
  | (
      | 'main'
      | 'header'
      | 'footer'
      | 'nav'
      | 'section'
      | 'article'
      | 'aside'
      | 'search'
      | 'div'
      | 'span'
      | 'p'
      | 'h1'
      | 'h2'
      | 'h3'
      | 'h4'
    )
  | (
      | 'ul'
      | 'ol'
      | 'li'
      | 'dl'
      | 'dt'
      | 'dd'
      | 'table'
      | 'caption'
      | 'thead'
      | 'tbody'
      | 'tfoot'
      | 'tr'
      | 'fieldset'
      | 'legend'
      | 'summary'
    )
  | (
      | 'code'
      | 'pre'
      | 'kbd'
      | 'b'
      | 'strong'
      | 'em'
      | 'small'
      | 'mark'
      | 'ins'
      | 'del'
      | 's'
      | 'hr'
      | 'br'
      | 'wbr'
      | 'title'
      | 'output'
    )
  | ('blockquote' | 'q' | 'datalist' | 'figure' | 'figcaption');

export namespace JSX {
  export type ElementType = keyof IntrinsicElements | ((props: never) => Child);
  export type Element = import('./jsx-runtime.js').Element;
  export interface ElementChildrenAttribute {
    readonly children: unknown;
  }
  export interface IntrinsicAttributes {
    readonly key?: string | number;
  }
  export type IntrinsicElements = { readonly [Name in keyof Elements]: Elements[Name] & IntrinsicAttributes } & {
    readonly [Name in Plain]: Global & IntrinsicAttributes;
  };
}

export declare const Fragment: (props: { readonly children?: Child }) => Element;
export declare function jsx(type: unknown, props: unknown, key?: string | number): Element;
export declare function jsxs(type: unknown, props: unknown, key?: string | number): Element;
