// The controller over HTTP: for people (a page), for Prometheus, and for the commands. On a UNIX socket it takes orders; on an
// address it only tells.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { DemiError } from '@demikernel/memory';
import { forThisUser, removeSocket, requireSocketPath } from '../node-socket/socket-path.ts';
import { PAGE, PAGE_POLICY } from './page.ts';
import type { FleetStatus } from './status.ts';

/** What is behind the interface. */
export interface Operated {
  status(): FleetStatus;
  metrics(): string;
  drain(backend: number, drained: boolean): void;
  move(client: string, to: number): void;
  remove(backend: number): void;
}

type Handler = (operated: Operated, parameters: URLSearchParams) => { type: string; body: string };

/** Only a base for paths. */
const ORIGIN = 'http://controller';

const JSON_TYPE = 'application/json';

const READS: Readonly<Record<string, Handler>> = {
  '/': () => ({ type: 'text/html; charset=utf-8', body: PAGE }),
  '/status.json': operated => ({ type: JSON_TYPE, body: JSON.stringify(operated.status()) }),
  '/metrics': operated => ({ type: 'text/plain; version=0.0.4', body: operated.metrics() }),
};

const ORDERS: Readonly<Record<string, Handler>> = {
  '/drain': (operated, parameters) => {
    operated.drain(backendIn(parameters), true);
    return { type: JSON_TYPE, body: '{}' };
  },
  '/undrain': (operated, parameters) => {
    operated.drain(backendIn(parameters), false);
    return { type: JSON_TYPE, body: '{}' };
  },
  '/remove': (operated, parameters) => {
    operated.remove(backendIn(parameters));
    return { type: JSON_TYPE, body: '{}' };
  },
  '/move': (operated, parameters) => {
    operated.move(parameters.get('client') ?? '', numberIn(parameters, 'to'));
    return { type: JSON_TYPE, body: '{}' };
  },
};

function backendIn(parameters: URLSearchParams): number {
  return numberIn(parameters, 'backend');
}

function numberIn(parameters: URLSearchParams, name: string): number {
  const text = parameters.get(name) ?? '';
  if (!/^\d{1,3}$/.test(text)) throw new DemiError('ERR_DEMI_ARGUMENT', `'${text}' is no backend`);
  return Number(text);
}

/** Makes a server; `orders` says whether it takes any. */
export function controlServer(operated: Operated, orders: boolean): Server {
  return createServer((request, response) => answer(operated, orders, request, response));
}

function answer(
  operated: Operated,
  orders: boolean,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  request.resume();
  // A stranger's target need not be a path: `//` is none that a URL could be made of.
  const target = URL.canParse(request.url ?? '/', ORIGIN) ? new URL(request.url ?? '/', ORIGIN) : undefined;
  if (target === undefined) {
    send(response, 400, JSON_TYPE, JSON.stringify({ error: 'no path is asked for' }));
    return;
  }
  const { pathname, searchParams } = target;
  const handlers = request.method === 'POST' ? ORDERS : READS;
  const handler = Object.hasOwn(handlers, pathname) ? handlers[pathname] : undefined;
  if (handler === undefined || !['GET', 'HEAD', 'POST'].includes(request.method ?? '')) {
    send(response, 404, JSON_TYPE, JSON.stringify({ error: `no ${pathname} here` }));
    return;
  }
  if (handlers === ORDERS && !orders) {
    send(response, 403, JSON_TYPE, JSON.stringify({ error: 'orders are taken on the UNIX socket alone' }));
    return;
  }
  try {
    const { type, body } = handler(operated, searchParams);
    send(response, 200, type, body);
  } catch (error) {
    if (!(error instanceof DemiError)) throw error;
    send(response, 400, JSON_TYPE, JSON.stringify({ error: error.message }));
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'content-security-policy': PAGE_POLICY,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

/**
 * Listens on a UNIX socket that only this user may open. What a dead controller left at the path is removed.
 *
 * @throws DemiError `ERR_DEMI_ADDRESS` when something else lies there, or another controller is alive
 */
export async function listenAtPath(server: Server, path: string): Promise<void> {
  requireSocketPath(path);
  if (await isAlive(path)) throw new DemiError('ERR_DEMI_ADDRESS', `another controller listens at ${path}`);
  removeSocket(path);
  // Node binds before `listen` returns.
  forThisUser(() => server.listen(path));
  await once(server, 'listening');
}

function isAlive(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
