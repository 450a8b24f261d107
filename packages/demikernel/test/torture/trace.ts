// Everything that two hosts put on the wire in some seconds of a busy life, as one hash: determinism.test.ts runs this as a
// program too, so that two processes can be compared.

import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { Peer } from '../inetstack/tcp/simulated-pair.ts';
import { Churn } from './churn.ts';
import { runTransfer } from './transfer.ts';

/** Hash of every frame, with its moment, of a transfer and of churn under one seed. */
export function traceHash(seed: number): string {
  const hash = createHash('sha256');
  const capture = (blocks: Uint8Array): void => {
    hash.update(blocks);
  };
  const { simulatedUs, steps } = runTransfer({ seed, bytes: 200_000, capture });
  hash.update(`${simulatedUs} ${steps}`);
  const world = new SimulatedWorld({
    seed,
    link: { lossRate: 0.01, reorderRate: 0.02, delayUs: 20, jitterUs: 9 },
  });
  const a = new Peer(world, world.host('10.0.0.1/24', { capture }));
  const b = new Peer(world, world.host('10.0.0.2/24', { capture }));
  const churns = [
    new Churn(a, new SeededRandom(seed), '10.0.0.2'),
    new Churn(b, new SeededRandom(seed + 1), '10.0.0.1'),
  ];
  for (let i = 0; i < 2000; i++) {
    for (const churn of churns) churn.turn();
    world.step();
    world.advance(500);
  }
  hash.update(`${world.nowUs} ${JSON.stringify(world.wire.counters)}`);
  return hash.digest('hex');
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  process.stdout.write(traceHash(Number(process.argv[2])));
}
