// What runs anywhere: two simulated hosts and an echo between them over a wire that loses and reorders, the same on
// every machine with the same seed.

import { Demikernel, OP_ACCEPT, OP_POP, OP_PUSH, type WaitSet } from 'demikernel';
import { type SimulatedHost, SimulatedWorld } from 'demikernel/stack';

const SEED = 7;
const MESSAGES = 10_000;
const SIZE_BYTES = 64;
const LOSS_RATE = 0.01;
const DELAY_US = 5;

/** Runs it, and says in a sentence what happened. */
export function simulateEcho(): string {
  const world = new SimulatedWorld({
    seed: SEED,
    link: { lossRate: LOSS_RATE, reorderRate: LOSS_RATE, delayUs: DELAY_US },
  });
  const server = join(world, world.host('10.0.0.1/24'));
  const client = join(world, world.host('10.0.0.2/24'));
  const listening = server.os.socket('stream');
  server.os.bind(listening, '10.0.0.1:7');
  server.os.listen(listening);
  server.set.add(server.os.accept(listening));
  server.host.afterPoll = () => serve(server);
  const qd = client.os.socket('stream');
  client.os.setsockopt(qd, 'noDelay', true);
  client.set.add(client.os.connect(qd, '10.0.0.1:7'));
  const message = new Uint8Array(SIZE_BYTES).fill(1);
  let replies = 0;
  let pending = 0;
  client.host.afterPoll = () => {
    let work = 0;
    for (let result = client.set.take(); result !== undefined; result = client.set.take()) {
      work++;
      if (result.errno !== 0) throw new Error(`the simulated client failed with errno ${result.errno}`);
      if (result.opcode === OP_PUSH) continue;
      if (result.opcode === OP_POP) {
        pending -= result.lengthBytes;
        result.array!.free();
        if (pending === 0) replies++;
      }
      if (pending === 0) {
        pending = SIZE_BYTES;
        client.set.add(client.os.push(qd, message));
      }
      client.set.add(client.os.pop(qd));
    }
    return work;
  };
  world.run(() => replies === MESSAGES);
  const { lost, reordered } = world.wire.counters;
  const seconds = (world.nowUs / 1e6).toFixed(3);
  world.close();
  return (
    `Simulator: ${replies} echoes of ${SIZE_BYTES} bytes over TCP between two simulated hosts, all intact, while the wire ` +
    `lost ${lost} frames and reordered ${reordered}; ${seconds} s of simulated time, the same on every run (seed ${SEED}).`
  );
}

interface Application {
  host: SimulatedHost;
  os: Demikernel;
  set: WaitSet;
}

function join(world: SimulatedWorld, host: SimulatedHost): Application {
  const os = new Demikernel(host.libos, { mode: 'interrupt', makeWaiter: () => world.waiter(host) });
  return { host, os, set: os.waitSet() };
}

function serve({ os, set }: Application): number {
  let work = 0;
  for (let result = set.take(); result !== undefined; result = set.take()) {
    work++;
    if (result.opcode === OP_ACCEPT) set.add(os.pop(result.acceptedQd));
    if (result.opcode !== OP_POP) continue;
    const array = result.array!;
    set.add(os.push(result.qd, array));
    array.free();
    set.add(os.pop(result.qd));
  }
  return work;
}
