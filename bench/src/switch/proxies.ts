// The peers: HAProxy in TCP mode and nginx's stream module, one worker each, unmodified, with the options their manuals
// give for many short exchanges. Started in the middle namespace.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '@demikernel/lab';
import {
  AF_INET,
  closeDescriptor,
  connectSocket,
  openSocket,
  parseIpAddress,
  runInNamespace,
  SOCK_STREAM,
  SocketAddress,
} from '@demikernel/native/kernel';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import { PROXIED_ADDRESS, PROXY_ADDRESS } from './place.ts';

const NGINX_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';
const START_TIMEOUT_MS = 5000;

/** A running proxy. */
export interface ProxyService {
  process: PinnedProcess;
  address: string;
  port: number;
  /** The process that forwards: nginx's worker, not its master. */
  pid: () => number;
  stop: () => Promise<void>;
}

export interface ProxyOptions {
  namespace: string;
  processor: number;
  /** Port of the proxy, and of the server behind it. */
  port: number;
  serverPort: number;
}

/** @throws Error when it is not installed or does not start */
export function startHaproxy(options: ProxyOptions): Promise<ProxyService> {
  const program = installed('haproxy', 'haproxy');
  const folder = mkdtempSync(join(tmpdir(), 'demi-haproxy-'));
  const config = join(folder, 'haproxy.cfg');
  writeFileSync(
    config,
    `global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option tcp-smart-accept
  option tcp-smart-connect
listen service
  bind ${PROXY_ADDRESS}:${options.port} backlog 4096
  server one ${PROXIED_ADDRESS}:${options.serverPort}
`,
  );
  return start('haproxy', program, ['-db', '-q', '-f', config], folder, options);
}

/** @throws Error when it is not installed or does not start */
export function startNginx(options: ProxyOptions): Promise<ProxyService> {
  const program = installed('nginx', 'nginx libnginx-mod-stream');
  const folder = mkdtempSync(join(tmpdir(), 'demi-nginx-'));
  const config = join(folder, 'nginx.conf');
  // Alone, without a master, it is the process that was started.
  writeFileSync(
    config,
    `load_module ${NGINX_MODULE};
daemon off;
master_process off;
worker_processes 1;
error_log stderr emerg;
pid ${join(folder, 'nginx.pid')};
events { worker_connections 4000; multi_accept on; }
stream {
  access_log off;
  server {
    listen ${PROXY_ADDRESS}:${options.port} backlog=4096;
    proxy_pass ${PROXIED_ADDRESS}:${options.serverPort};
    proxy_buffer_size 4k;
    tcp_nodelay on;
  }
}
`,
  );
  return start('nginx', program, ['-c', config, '-p', folder], folder, options);
}

function installed(name: string, packages: string): string {
  const program = findProgram(name);
  if (program === undefined) throw new Error(`${name} is missing (apt-get install ${packages})`);
  return program;
}

async function start(
  name: string,
  program: string,
  args: readonly string[],
  folder: string,
  options: ProxyOptions,
): Promise<ProxyService> {
  const { namespace, processor, port } = options;
  const process = new PinnedProcess({ name, program, args, namespace, processor });
  const stop = async (): Promise<void> => {
    await process.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  // PinnedProcess starts through a command that becomes the program: the pid stays.
  const proxy = { process, address: PROXY_ADDRESS, port, pid: () => process.pid, stop };
  const until = performance.now() + START_TIMEOUT_MS;
  while (!listens(namespace, port)) {
    if (performance.now() > until) {
      await stop();
      throw new Error(`${name} does not listen`);
    }
    await sleep(50);
  }
  return proxy;
}

/** Whether something listens on the proxy's address. */
function listens(namespace: string, port: number): boolean {
  const fd = runInNamespace(namespace, () => openSocket(AF_INET, SOCK_STREAM, 0, { blocking: true }));
  const name = new SocketAddress();
  try {
    name.setIpv4(new DataView(parseIpAddress(PROXY_ADDRESS).buffer).getInt32(0), port);
    return connectSocket(fd, name) === 0;
  } finally {
    name.close();
    closeDescriptor(fd);
  }
}
