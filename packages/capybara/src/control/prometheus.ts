// The fleet in the Prometheus text format (text exposition format 0.0.4).

import type { SwitchPath } from '../switch/index.ts';
import type { BackendStatus, Controller } from './controller.ts';

/** What is exposed. */
export interface Exposed {
  controller: Controller;
  backends: readonly BackendStatus[];
  /** Frames by the way they took through the switch. */
  paths: Readonly<Record<SwitchPath, number>>;
}

const STATES = ['active', 'draining', 'down'] as const;

export function exposition({ controller, backends, paths }: Exposed): string {
  const lines: string[] = [];
  const metric = (
    name: string,
    type: 'counter' | 'gauge',
    samples: readonly (readonly [string, number])[],
  ): void => {
    lines.push(`# TYPE demikernel_capybara_${name} ${type}`);
    for (const [labels, value] of samples) {
      lines.push(`demikernel_capybara_${name}${labels === '' ? '' : `{${labels}}`} ${value}`);
    }
  };
  const of = (value: (backend: BackendStatus) => number): [string, number][] =>
    backends.map(backend => [`backend="${backend.id}"`, value(backend)]);
  metric(
    'backend_state',
    'gauge',
    backends.flatMap(({ id, state }) =>
      STATES.map(each => [`backend="${id}",state="${each}"`, each === state ? 1 : 0] as const),
    ),
  );
  metric(
    'backend_connections',
    'gauge',
    of(each => each.connections),
  );
  metric(
    'backend_packets_per_second',
    'gauge',
    of(each => each.load),
  );
  metric(
    'backend_delay_microseconds',
    'gauge',
    of(each => each.delayUs),
  );
  metric(
    'backend_silent_seconds',
    'gauge',
    of(each => each.silentMs / 1000),
  );
  const { counters } = controller;
  for (const [name, value] of Object.entries(counters)) metric(`${name}_total`, 'counter', [['', value]]);
  metric('migrations_under_way', 'gauge', [
    ['', controller.events.filter(each => each.outcome === 'underWay').length],
  ]);
  metric(
    'frames_total',
    'counter',
    Object.entries(paths).map(([path, value]) => [`path="${path}"`, value] as const),
  );
  return `${lines.join('\n')}\n`;
}
