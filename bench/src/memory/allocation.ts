// Bytes allocated per echo on Catmem: both ends in one thread, everything through PDPIX.

import { collectGarbage } from '@demikernel/lab';
import { open } from 'demikernel';
import { CollectionCounter, PLANTED_EVERY, PlantedPath, readAllocation } from '../stack/allocation.ts';
import { BlockTimer, type StackPath } from '../stack/path.ts';
import { CatmemClient, CatmemService } from './catmem-peer.ts';

const SIZE_BYTES = 64;
const ADDRESS = '127.0.0.1:0';
/** V8 compiles some of it once more after hundreds of thousands of echoes. */
const WARM_UP = 600_000;

/** Echoes between two library OSes. */
class EchoPath implements StackPath {
  readonly system = 'catmem';
  readonly path = 'echo';
  readonly protocol = 'tcp';
  readonly sizeBytes = SIZE_BYTES;
  readonly flows = 1;
  private readonly client: CatmemClient;

  constructor(client: CatmemClient) {
    this.client = client;
  }

  run(echoes: number, _timer: BlockTimer): number {
    for (let i = 0; i < echoes; i++) this.client.roundTrip(SIZE_BYTES);
    return echoes;
  }
}

export interface Allocation {
  bytesPerEcho: number;
  /** With 40 bytes per thousand echoes planted: 0.04 more. */
  plantedBytesPerEcho: number;
  collections: number;
}

export async function measureAllocation(echoes: number): Promise<Allocation> {
  const server = await open({ libos: 'catmem', wait: 'spin' });
  const listening = server.socket('message');
  server.bind(listening, ADDRESS);
  server.listen(listening);
  const set = server.waitSet();
  set.add(server.accept(listening));
  const service = new CatmemService(server, set, listening);
  const pump = (): void => {
    for (let turns = 0; turns < 3; turns++) {
      server.poll();
      for (let result = set.take(); result !== undefined; result = set.take()) service.handle(result);
    }
  };
  const os = await open({ libos: 'catmem', wait: 'spin' });
  const qd = os.socket('message');
  const connecting = os.connect(qd, server.getsockname(listening));
  while (!os.isComplete(connecting)) {
    os.poll();
    pump();
  }
  os.wait(connecting);
  // The client's turn publishes what it has pushed before the service looks.
  const client = new CatmemClient(os, qd, () => {
    os.poll();
    pump();
  });
  const path = new EchoPath(client);
  const planted = new PlantedPath(path);
  const untimed = new BlockTimer(0);
  planted.run(WARM_UP, untimed);
  const counter = new CollectionCounter();
  // A collection that set-up has begun ends here, and not while something is measured.
  collectGarbage();
  await counter.settle();
  const before = counter.count;
  const bytesPerEcho = readAllocation(path, echoes);
  const plantedBytesPerEcho = readAllocation(planted, Math.ceil(echoes / PLANTED_EVERY) * PLANTED_EVERY);
  await counter.settle();
  const collections = counter.count - before;
  counter.close();
  os.shutDown();
  server.shutDown();
  return { bytesPerEcho, plantedBytesPerEcho, collections };
}
