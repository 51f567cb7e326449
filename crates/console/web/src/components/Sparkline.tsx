/** A small chart of one series, the newest value at the right. */
interface Props {
  values: number[];
  /** What it shows; read instead of the picture. */
  label: string;
  color?: string;
  width?: number;
  height?: number;
}

export function Sparkline({ values, label, color = "var(--chart-line)", width = 140, height = 32 }: Props) {
  const max = Math.max(...values, 0);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const points = values.map((value, i) => {
    const y = max === 0 ? height - 1 : height - 1 - (value / max) * (height - 3);
    return `${(i * step).toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      preserveAspectRatio="none"
    >
      {points.length > 1 && (
        <>
          <polygon
            points={`0,${height} ${points.join(" ")} ${width},${height}`}
            fill={color}
            opacity={0.15}
          />
          <polyline
            points={points.join(" ")}
            fill="none"
            stroke={color}
            strokeWidth={1.5}
            strokeLinejoin="round"
          />
        </>
      )}
    </svg>
  );
}
