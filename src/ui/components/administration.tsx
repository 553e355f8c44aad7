import type { OperationsOrder, Part } from '../../operations/interface.ts';
import { OPERATIONS } from '../addresses.ts';
import { FormToken } from '../document.tsx';
import { sentence } from '../format.ts';
import type { Child } from '../jsx/jsx-runtime.js';
import type { Viewer } from '../viewer.ts';
import { Notice } from './basics.tsx';

/** Parts of the page that shows how the registry runs. */

interface PartProps<T> {
  readonly part: Part<T>;
  readonly show: (value: T) => Child;
}

/** A part of a card, or why it is not known. */
export function Known<T>({ part, show }: PartProps<T>) {
  if (part.kind === 'known') return <>{show(part.value)}</>;
  return (
    <div class="card-text">
      <Notice tone="bad">{sentence(part.problem)}</Notice>
    </div>
  );
}

interface FactProps {
  readonly name: string;
  readonly children: Child;
}

/** One line of a list of facts. */
export function Fact({ name, children }: FactProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

interface OrderProps {
  readonly order: OperationsOrder['kind'];
  /** Fields of the order. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly viewer: Viewer;
  readonly tone?: 'plain' | 'main' | 'danger';
  /** For readers of the page, which hear the button without its row. */
  readonly about?: string;
  readonly children: Child;
}

const BUTTONS: Readonly<Record<NonNullable<OrderProps['tone']>, string>> = {
  plain: 'button button-small',
  main: 'button button-small button-main',
  danger: 'button button-small button-danger',
};

/** A button that gives an order; nothing where the page offers no actions. */
export function OrderButton({ order, fields = {}, viewer, tone = 'plain', about, children }: OrderProps) {
  if (viewer.passive !== undefined) return null;
  return (
    <form action={OPERATIONS} method="post">
      <FormToken viewer={viewer} />
      {Object.entries(fields).map(([name, value]) => (
        <input key={name} type="hidden" name={name} value={value} />
      ))}
      <button type="submit" class={BUTTONS[tone]} name="order" value={order}>
        {children}
        {about !== undefined && <span class="hidden"> {about}</span>}
      </button>
    </form>
  );
}
