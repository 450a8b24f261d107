// demikernel ss: the connections of every running service, read from their shared memory.

import { parseArgs } from 'node:util';
import { STATE_NAMES } from '../inetstack/tcp/states.ts';
import { formatIpv4 } from '../runtime/socket-address.ts';
import type { Command } from './command.ts';
import { findRunning, NOTHING_RUNNING, snapshotOf } from './processes.ts';
import { textTable } from './text-table.ts';

const HELP = `Usage: demikernel ss [--json]

Lists the TCP connections of every running service whose network stack is its own, with their state.
Rows are written by the service every tenth of a second at most.

  --json   one JSON array of rows
`;

export const ss: Command = {
  name: 'ss',
  summary: 'TCP connections of every running service on this host',
  help: HELP,
  async run(args: string[]): Promise<number> {
    const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
    const running = findRunning();
    if (running.length === 0) {
      process.stderr.write(`${NOTHING_RUNNING}\n`);
      return 1;
    }
    const connections = running.flatMap(one => {
      const snapshot = snapshotOf(one);
      return (snapshot?.tables['connections'] ?? []).map(
        row => ({ pid: one.pid, ...row }) as Record<string, number>,
      );
    });
    if (values.json) {
      process.stdout.write(`${JSON.stringify(connections)}\n`);
      return 0;
    }
    const rows = connections.map(row => [
      STATE_NAMES[row['state']!] ?? String(row['state']),
      String(row['receiveQueueBytes'] ?? 0),
      String(row['sendQueueBytes'] ?? 0),
      `${formatIpv4(row['localAddress']! | 0)}:${row['localPort']}`,
      `${formatIpv4(row['remoteAddress']! | 0)}:${row['remotePort']}`,
      String(row['srttUs'] ?? 0),
      String(row['cwndBytes'] ?? 0),
      String(row['retransmits'] ?? 0),
      String(row['pid']),
    ]);
    const columns = [
      { heading: 'State' },
      { heading: 'Recv-Q', right: true },
      { heading: 'Send-Q', right: true },
      { heading: 'Local' },
      { heading: 'Peer' },
      { heading: 'rtt µs', right: true },
      { heading: 'cwnd', right: true },
      { heading: 'retrans', right: true },
      { heading: 'pid', right: true },
    ];
    process.stdout.write(`${textTable(columns, rows)}\n`);
    return 0;
  },
};
