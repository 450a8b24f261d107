// The log service on pairs of devices, one for the network and one for storage: records go from the memory that the network
// receives into to the NVMe controller without a copy, and are read back.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, Network } from '@demikernel/lab';
import { listPciDevices, PCI_CLASS_NVME } from '@demikernel/native/vfio';
import { open } from 'demikernel';
import { output, withService } from './service.ts';

const COUNT = 80;
const SIZE = 1400;
const COMMAND = fileURLToPath(import.meta.resolve('demikernel/package.json')).replace(
  'package.json',
  'dist/src/cli/main.js',
);

/** What the logs of a running service have counted. */
function payloadBytes(pid: number): { copied: number; referred: number } {
  const text = execFileSync(process.execPath, [COMMAND, 'metrics'], { encoding: 'utf8' });
  const count = (name: string): number =>
    Number(
      new RegExp(`^demikernel_log_${name}_bytes_total\\{pid="${pid}",.*\\} (\\d+)$`, 'm').exec(text)![1],
    );
  return { copied: count('copied'), referred: count('referred') };
}

describe('apps/log across devices', () => {
  assert.equal(process.env['DEMIKERNEL_GUEST'], '1', 'this writes to the disk: only in the guest');
  const [controller] = listPciDevices(PCI_CLASS_NVME);
  const storage = ['--storage', 'cattree', '--nvme', controller!];
  const built = Network.build(network => {
    const [near, far] = [network.host('near'), network.host('far')];
    connect({ namespace: near, device: 'near0' }, { namespace: far, device: 'far0' });
    return { near, far };
  });
  assert.ok(typeof built !== 'string', String(built));
  const { far, near } = built.made;
  after(() => built.network.remove());

  before(async () => {
    const fresh = { libos: 'cattree', device: controller!, overwrite: true, segmentBytes: 2 << 20 } as const;
    (await open({ libos: 'catnap', storage: fresh })).shutDown();
  });

  async function run(address: string, server: readonly string[], client: readonly string[]): Promise<void> {
    const log = ['--log', server[1]!];
    await withService('log', ['server', address, ...server, ...log, ...storage], async service => {
      const counts = ['--count', String(COUNT), '--size', String(SIZE)];
      const said = await output('log', ['client', address, ...client, ...counts]);
      assert.match(said, new RegExp(`^${COUNT} records durable, \\d+ a second; ${COUNT} read back$`, 'm'));
      const { copied, referred } = payloadBytes(service.process.pid!);
      process.stdout.write(
        `${service.lines[0]}: ${copied} bytes copied, ${referred} by reference; ${said}\n`,
      );
      assert.equal(copied + referred, COUNT * SIZE);
      // What is left of a record at the end of a frame may be too short to be worth a piece of its own.
      assert.ok(referred > copied * 4);
    });
  }

  const catpowder = (namespace: string, device: string, address: string): string[] =>
    `--libos catpowder --namespace ${namespace} --interface ${device} --address ${address}/24`.split(' ');
  const catnip = (namespace: string, device: string, address: string): string[] =>
    `--libos catnip --namespace ${namespace} --device net_af_packet0,iface=${device} --address ${address}/24`.split(
      ' ',
    );

  for (const [name, on] of [
    ['Catpowder and Cattree: AF_XDP', catpowder],
    ['Catnip and Cattree: DPDK', catnip],
  ] as const)
    test(name, { timeout: 180_000 }, () =>
      run('10.79.0.1:7000', on(near, 'near0', '10.79.0.1'), on(far, 'far0', '10.79.0.2')),
    );

  test('Catmint and Cattree: RDMA', { timeout: 180_000 }, () =>
    run('10.213.0.1:7000', ['--libos', 'catmint'], ['--libos', 'catmint']),
  );
});
