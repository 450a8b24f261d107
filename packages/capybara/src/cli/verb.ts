// What a verb of `demikernel capybara` is, and how one talks to a running switch.

import { request } from 'node:http';
import { DemiError } from '@demikernel/memory';
import type { FleetStatus } from '../control/status.ts';

/** One verb. */
export interface Verb {
  name: string;
  summary: string;
  help: string;
  run(args: string[]): Promise<number>;
}

/** Wrong usage: exit status 2. */
export class UsageError extends Error {}

export const DEFAULT_SOCKET = '/run/demikernel-capybara.sock';

export const SOCKET_OPTION: { readonly socket: { readonly type: 'string'; readonly default: string } } = {
  socket: { type: 'string', default: DEFAULT_SOCKET },
};

/**
 * Asks the controller.
 *
 * @throws DemiError `ERR_DEMI_PEER` when none listens there, or with what it answered
 */
export function ask(socketPath: string, method: 'GET' | 'POST', path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, method, path }, response => {
      let body = '';
      response.setEncoding('utf8').on('data', text => {
        body += text;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(body);
        else reject(new DemiError('ERR_DEMI_PEER', String((JSON.parse(body) as { error: string }).error)));
      });
      response.on('error', reject);
    });
    asking.on('error', cause =>
      reject(
        new DemiError('ERR_DEMI_PEER', `no switch answers at ${socketPath}: ${cause.message}`, { cause }),
      ),
    );
    asking.end();
  });
}

export async function askStatus(socketPath: string): Promise<FleetStatus> {
  return JSON.parse(await ask(socketPath, 'GET', '/status.json')) as FleetStatus;
}

/** A table with its columns right-aligned but for the first. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  return rows
    .map(row =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
