// Run in a process of its own by catnip-allocation.test.ts: prints the bytes that a datagram between two Catnips of one process
// allocates, both ends and PDPIX included, beside a planted allocation; and what a turn without work costs, of the driver and in all.

import { bytesPerOperation } from '@demikernel/lab';
import { type Demikernel, open } from '../../src/index.ts';

const ROUNDS = 10_000;
// What is called on every 32nd turn has to be optimised too.
const WARM_UP = 300_000;

const socket = process.argv[2]!;
const end = (number: number, role: string): Promise<Demikernel> =>
  open({
    libos: 'catnip',
    wait: 'spin',
    device: `net_memif${number},role=${role},socket=${socket},socket-abstract=no`,
    address: `10.83.0.${number}/24`,
  });
const server = await end(1, 'server');
const client = await end(2, 'client');

const serverQd = server.socket('datagram');
server.bind(serverQd, '10.83.0.1:7');
const clientQd = client.socket('datagram');
client.bind(clientQd, '10.83.0.2:8');
client.wait(client.connect(clientQd, '10.83.0.1:7'), 1_000_000);
server.wait(server.connect(serverQd, '10.83.0.2:8'), 1_000_000);
const message = client.alloc(64)!;

const arrived = server.waitSet();
const left = client.waitSet();

/** One datagram, popped here and pushed there, both results taken. */
function pass(): void {
  arrived.add(server.pop(serverQd));
  left.add(client.push(clientQd, message));
  left.wait();
  let result = arrived.wait(0);
  while (result === undefined) {
    client.poll();
    result = arrived.wait(0);
  }
  result.array!.free();
}

const run = (count: number): void => {
  for (let i = 0; i < count; i++) pass();
};
run(WARM_UP);
const bare = bytesPerOperation(ROUNDS, run);

const objects: { value: number }[] = [];
const planted = bytesPerOperation(ROUNDS, count => {
  run(count);
  for (let i = 0; i < count; i += 10) objects[0] = { value: i };
});

function nanosecondsPer(count: number, work: () => void): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) work();
  return Number(process.hrtime.bigint() - start) / count;
}

const { hardware } = server.libraryOs as unknown as {
  hardware: { port: { receive(queue: number, count: number): number } };
};
const emptyBurst = (): number => hardware.port.receive(0, 64);
nanosecondsPer(100_000, emptyBurst);
nanosecondsPer(100_000, () => server.poll());
const readings = [1, 2, 3, 4, 5].map(() => [
  nanosecondsPer(100_000, emptyBurst),
  nanosecondsPer(100_000, () => server.poll()),
]);
const median = (which: number): number => readings.map(each => each[which]!).sort((a, b) => a - b)[2]!;
console.log(JSON.stringify({ bare, planted, emptyBurstNs: median(0), emptyTurnNs: median(1) }));
client.shutDown();
server.shutDown();
