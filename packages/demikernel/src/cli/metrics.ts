// demikernel metrics: counters of running services in the Prometheus text format, printed once or served over HTTP.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import type { MetricsSnapshot } from '../runtime/metrics.ts';
import { formatIpv4, parseSocketAddress } from '../runtime/socket-address.ts';
import { type Command, stopOnSignals, UsageError } from './command.ts';
import { MetricsText, metricName } from './metrics-text.ts';
import { findRunning, snapshotOf } from './processes.ts';

const HELP = `Usage: demikernel metrics [--listen ADDRESS:PORT]

Prints the counters of every running service in the Prometheus text format, or serves them at /metrics.
Reads them from shared memory, with no help from the services.

  --listen ADDRESS    serve until Ctrl-C, for example 127.0.0.1:9464
`;

const QUANTILES = [0.5, 0.99, 0.999] as const;

function labelsOf(info: MetricsSnapshot['info']): [string, string | number][] {
  return [
    ['pid', Number(info['pid'])],
    ['libos', String(info['libos']).replaceAll(/[^\w.-]/g, '_')],
  ];
}

/** All samples of all services. */
function exposition(snapshots: readonly MetricsSnapshot[]): string {
  const text = new MetricsText();
  for (const { info, counters, histograms, tables } of snapshots) {
    const labels = labelsOf(info);
    for (const [room, values] of Object.entries(counters)) {
      for (const [name, value] of Object.entries(values)) {
        text.add(`${metricName(room, name)}_total`, 'counter', labels, value);
      }
    }
    for (const [name, histogram] of Object.entries(histograms)) {
      for (const q of QUANTILES) {
        text.add(metricName(name), 'summary', [...labels, ['quantile', q]], histogram.quantile(q));
      }
      text.add(metricName(name), 'summary', labels, histogram.count, '_count');
    }
    for (const [name, rows] of Object.entries(tables))
      text.add(metricName(name), 'gauge', labels, rows.length);
  }
  return text.toString();
}

function current(): string {
  return exposition(findRunning().flatMap(one => snapshotOf(one) ?? []));
}

/** Serves until a signal; resolves with the exit status. */
function serve(text: string): Promise<number> {
  const { ipv4, port } = parseSocketAddress(text);
  const host = formatIpv4(ipv4);
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end('see /metrics\n');
      return;
    }
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(current());
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, host, () => {
      const bound = server.address() as AddressInfo;
      process.stderr.write(`metrics: http://${host}:${bound.port}/metrics; Ctrl-C ends it\n`);
    });
    stopOnSignals().addEventListener('abort', () => {
      server.close(() => resolve(0));
      server.closeAllConnections();
    });
  });
}

export const metricsCommand: Command = {
  name: 'metrics',
  summary: 'counters of every running service for Prometheus',
  help: HELP,
  async run(args: string[]): Promise<number> {
    const { values, positionals } = parseArgs({
      args,
      options: { listen: { type: 'string' } },
      allowPositionals: true,
    });
    if (positionals.length > 0) throw new UsageError(`metrics takes no '${positionals[0]}'`);
    if (values.listen !== undefined) return serve(values.listen);
    process.stdout.write(current());
    return 0;
  },
};
