import type { LayerChange } from '../../inspection/interface.ts';
import { formatBytes } from '../format.ts';

const WIDTH = 1_000;
/** So that the smallest layer can be seen. */
const MIN_WIDTH = 4;
const GAP = 2;
const MAX_BARS = 200;

/** The layers before and after, above each other and on one scale: as wide as they are large. */
export function ComparedBars({ layers }: { readonly layers: readonly LayerChange[] }) {
  const shown = layers.slice(0, MAX_BARS);
  const before = shown.filter(({ change }) => change !== 'added');
  const after = shown.filter(({ change }) => change !== 'gone');
  const most = Math.max(...[before, after].map(total), 1);
  const room = WIDTH - Math.max(before.length, after.length) * (MIN_WIDTH + GAP);
  return (
    <div class="compared-bars">
      {(
        [
          ['Before', before],
          ['After', after],
        ] as const
      ).map(([name, list]) => (
        <div key={name} class="compared-bar">
          <span class="muted">{name}</span>
          <svg viewBox={`0 0 ${WIDTH} 20`} preserveAspectRatio="none" aria-hidden="true">
            {placed(list, room / most).map(({ layer, x, width }, at) => (
              <rect key={at} class={`bar-${layer.change}`} x={x} y="0" width={width} height="20" rx="2" />
            ))}
          </svg>
          <span class="size">{formatBytes(total(list))}</span>
        </div>
      ))}
    </div>
  );
}

function placed(layers: readonly LayerChange[], scale: number) {
  let x = 0;
  return layers.map((layer) => {
    const bar = { layer, x, width: MIN_WIDTH + layer.size * scale };
    x += bar.width + GAP;
    return bar;
  });
}

function total(layers: readonly LayerChange[]): number {
  return layers.reduce((sum, { size }) => sum + size, 0);
}
