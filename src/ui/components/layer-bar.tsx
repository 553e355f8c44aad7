import type { LayerDetails } from '../../inspection/interface.ts';

const WIDTH = 1_000;
/** So that the smallest layer can be seen. */
const MIN_WIDTH = 4;
const GAP = 2;
/** Colours in the style sheet. */
export const COLOURS = 6;
const MAX_BARS = 200;

/** The layers beside each other, as wide as they are large. */
export function LayerBar({ layers }: { readonly layers: readonly LayerDetails[] }) {
  const shown = layers.slice(0, MAX_BARS);
  const total = shown.reduce((sum, { size }) => sum + size, 0);
  const room = WIDTH - shown.length * (MIN_WIDTH + GAP);
  let x = 0;
  return (
    <svg class="layer-bar" viewBox={`0 0 ${WIDTH} 28`} preserveAspectRatio="none" aria-hidden="true">
      {shown.map(({ digest, size }, at) => {
        const width = MIN_WIDTH + (total === 0 ? 0 : (size / total) * room);
        const bar = (
          <rect key={`${at} ${digest}`} class={`bar-${at % COLOURS}`} x={x} y="0" width={width} height="28" rx="2" />
        );
        x += width + GAP;
        return bar;
      })}
    </svg>
  );
}
