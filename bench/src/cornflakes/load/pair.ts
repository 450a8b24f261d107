// A service and its client, started, filled and checked; standing still while others have their turn.

import { fileURLToPath } from 'node:url';
import { processors } from '../../echo/place.ts';
import { PinnedProcess } from '../../testbed/pinned-process.ts';
import type { Testbed } from '../../testbed/testbed.ts';
import type { ClientTask, RunAnswer } from './client.ts';
import { memoryFor } from './memory.ts';
import type { EndSetting, LoadSetting, ProtocolSetting, WorkloadSetting } from './setting.ts';

const SERVER: string = fileURLToPath(new URL('./server.js', import.meta.url));
const CLIENT: string = fileURLToPath(new URL('./client.js', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const FILL_TIMEOUT_MS = 180_000;
const TIMEOUT_MS = 20_000;
const PORT = 7000;
const CATMEM_FIRST_PORT = 7800;
const CHECKED_REQUESTS = 300;

export interface PairOptions {
  libos: 'catpowder' | 'catmem';
  protocol: ProtocolSetting;
  workload: WorkloadSetting;
  connections: number;
  /** Tells pairs apart. */
  index: number;
  /** Needed by Catpowder. */
  testbed: Testbed | undefined;
  /** Folder for processor profiles of the service. */
  profileFolder: string | undefined;
}

export class Pair {
  readonly protocol: ProtocolSetting;
  private readonly server: PinnedProcess;
  private readonly client: PinnedProcess;

  private constructor(protocol: ProtocolSetting, server: PinnedProcess, client: PinnedProcess) {
    this.protocol = protocol;
    this.server = server;
    this.client = client;
  }

  /** Starts both, puts every key, and looks whether replies are what was put. Then both stand still. */
  static async start(options: PairOptions): Promise<Pair> {
    const { server, client } = endsOf(options);
    const where = processors();
    const { profileFolder, protocol, testbed } = options;
    const serverProcess = new PinnedProcess({
      name: `${protocol.system} service`,
      script: SERVER,
      args: [JSON.stringify(server)],
      nodeArgs: profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`],
      processor: where.server,
      namespace: server.libos === 'catpowder' ? testbed?.server : undefined,
    });
    let clientProcess: PinnedProcess | undefined;
    try {
      await serverProcess.line(START_TIMEOUT_MS);
      clientProcess = new PinnedProcess({
        name: `${protocol.system} client`,
        script: CLIENT,
        args: [JSON.stringify(client)],
        processor: where.client,
        namespace: client.libos === 'catpowder' ? testbed?.client : undefined,
      });
      await clientProcess.line(START_TIMEOUT_MS);
      const pair = new Pair(protocol, serverProcess, clientProcess);
      await pair.ask({ task: 'fill' }, FILL_TIMEOUT_MS);
      await pair.ask({ task: 'check', requests: CHECKED_REQUESTS }, TIMEOUT_MS);
      pair.freeze();
      return pair;
    } catch (error) {
      clientProcess?.kill();
      serverProcess.kill();
      throw error;
    }
  }

  private ask<Answer>(task: ClientTask, timeoutMs: number): Promise<Answer> {
    return this.client.ask<Answer>(task, timeoutMs);
  }

  /** Measures; awake only meanwhile. `ratePerSecond` 0: as many as are answered, `depth` on each connection. */
  async run(ratePerSecond: number, depth: number, milliseconds: number): Promise<RunAnswer> {
    this.server.thaw();
    this.client.thaw();
    try {
      const task: ClientTask = {
        task: 'run',
        serverPid: this.server.pid,
        ratePerSecond,
        depth,
        milliseconds,
      };
      const answer = await this.ask<RunAnswer>(task, milliseconds + TIMEOUT_MS);
      if (answer.error !== undefined) throw new Error(`${this.protocol.system}: ${answer.error}`);
      return answer;
    } finally {
      this.freeze();
    }
  }

  /** Looks once more whether replies are what was put. */
  async check(): Promise<void> {
    this.server.thaw();
    this.client.thaw();
    try {
      await this.ask({ task: 'check', requests: CHECKED_REQUESTS }, TIMEOUT_MS);
    } finally {
      this.freeze();
    }
  }

  private freeze(): void {
    this.client.freeze();
    this.server.freeze();
  }

  /** Ends both; the service in an orderly way, so that profiles get written. */
  async stop(): Promise<void> {
    this.client.kill();
    await this.server.stop();
  }
}

function endsOf(options: PairOptions): { server: LoadSetting; client: LoadSetting } {
  const { connections, libos, protocol, testbed, workload } = options;
  const memory = memoryFor(libos, workload);
  const { valueShare } = memory;
  const both = { libos, connections, protocol, workload, valueShare, gathers: false };
  const end = (from: Omit<EndSetting, 'libos' | 'gathers'>): LoadSetting => ({ ...both, ...from });
  if (libos === 'catmem') {
    const service = `127.0.0.1:${CATMEM_FIRST_PORT + options.index}`;
    return {
      server: end({ interface: '', address: '', service, memoryBytes: memory.serverBytes }),
      client: end({ interface: '', address: '', service, memoryBytes: memory.clientBytes }),
    };
  }
  const wire = testbed!.addWire({ kernelAddress: false, clientKernelAddress: false });
  const service = `${wire.serverAddress}:${PORT}`;
  const server = end({
    interface: wire.serverInterface,
    address: `${wire.serverAddress}/24`,
    service,
    memoryBytes: memory.serverBytes,
  });
  return {
    server: { ...server, gathers: protocol.copyThreshold === 'gather' },
    client: end({
      interface: wire.clientInterface,
      address: `${wire.clientAddress}/24`,
      service,
      memoryBytes: memory.clientBytes,
    }),
  };
}
