const [WIDTH, HEIGHT] = [120, 8];

interface ShareBarProps {
  readonly bytes: number;
  /** Of what others have, too. */
  readonly shared: number | undefined;
  /** What a bar of the full width stands for. */
  readonly most: number;
}

/** How much is own and how much is shared, compared with others. The numbers stand beside it. */
export function ShareBar({ bytes, shared, most }: ShareBarProps) {
  const scale = WIDTH / Math.max(1, most);
  const own = (bytes - (shared ?? 0)) * scale;
  return (
    <svg
      class="share-bar"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <rect class="share-room" width={WIDTH} height={HEIGHT} rx="2" />
      <rect class={shared === undefined ? 'tile-unknown' : 'tile-own'} width={own.toFixed(1)} height={HEIGHT} rx="2" />
      {shared !== undefined && (
        <rect class="tile-shared" x={own.toFixed(1)} width={(shared * scale).toFixed(1)} height={HEIGHT} rx="2" />
      )}
    </svg>
  );
}
