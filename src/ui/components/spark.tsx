const WIDTH = 90;
const HEIGHT = 22;
const GAP = 1;

/** Small bars, one a day: when there was how much. */
export function Spark({ values, label }: { readonly values: readonly number[]; readonly label: string }) {
  const most = Math.max(1, ...values);
  const step = WIDTH / Math.max(1, values.length);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      {values.map((value, at) => {
        const height = value === 0 ? 1 : 3 + (value / most) * (HEIGHT - 3);
        return (
          <rect
            key={at}
            class={value === 0 ? 'spark-none' : 'spark-some'}
            x={(at * step).toFixed(2)}
            y={(HEIGHT - height).toFixed(2)}
            width={(step - GAP).toFixed(2)}
            height={height.toFixed(2)}
          />
        );
      })}
    </svg>
  );
}
