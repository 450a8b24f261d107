// The Prometheus text format (text exposition format 0.0.4): samples, grouped by metric as it wants them.

export type MetricType = 'counter' | 'gauge' | 'summary';

/** Names and values, in their order. */
export type Labels = readonly (readonly [name: string, value: string | number])[];

/** Collects samples; `toString` is what a scraper gets. */
export class MetricsText {
  readonly #metrics: Map<string, { type: MetricType; lines: string[] }>;

  constructor() {
    this.#metrics = new Map();
  }

  /** Adds one sample. `suffix` is the part of a summary, such as `_count`. */
  add(name: string, type: MetricType, labels: Labels, value: number, suffix = ''): void {
    let metric = this.#metrics.get(name);
    if (metric === undefined) {
      metric = { type, lines: [] };
      this.#metrics.set(name, metric);
    }
    const inBraces = labels.map(([label, text]) => `${label}="${escaped(String(text))}"`).join(',');
    metric.lines.push(`${name}${suffix}${inBraces === '' ? '' : `{${inBraces}}`} ${numberText(value)}`);
  }

  toString(): string {
    return [...this.#metrics]
      .map(([name, { type, lines }]) => `# TYPE ${name} ${type}\n${lines.join('\n')}\n`)
      .join('');
  }
}

/** A metric's name: what Prometheus allows, nothing else. */
export function metricName(...parts: string[]): string {
  return ['demikernel', ...parts]
    .join('_')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/\W/g, '_')
    .toLowerCase();
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** As the format spells what is no number: `+Inf`, `-Inf`, `NaN`. */
function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
