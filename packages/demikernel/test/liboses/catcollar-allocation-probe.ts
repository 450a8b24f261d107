// Run in a process of its own by catcollar-allocation.test.ts: prints the bytes that an echo over Catcollar allocates, both
// ends and PDPIX included, beside a planted allocation.

import { bytesPerOperation } from '@demikernel/lab';
import { OP_POP } from '../../src/runtime/operation.ts';
import { connectedPair, openSockets } from './socket-stage.ts';

const ECHOES = 30_000;
const CONNECTIONS = 4;
/** One object of 24 bytes in this many echoes. */
const PLANT_EVERY = 10;

const os = openSockets('catcollar', {}, 'adaptive');
const pairs = Array.from({ length: CONNECTIONS }, () => connectedPair(os));
const isServer = new Uint8Array(1024);
for (const { server } of pairs) isServer[server] = 1;
const message = os.alloc(64)!;
const set = os.waitSet();
for (const { client, server } of pairs) {
  set.add(os.pop(server));
  set.add(os.pop(client));
  set.add(os.push(client, message));
}

let planted: { echo: number } | undefined;

function echoes(count: number, plant: boolean): void {
  let done = 0;
  while (done < count) {
    const result = set.wait()!;
    if (result.errno !== 0) throw new Error(`errno ${result.errno}`);
    if (result.opcode !== OP_POP) continue;
    const { qd } = result;
    const array = result.array!;
    if (isServer[qd] === 1) set.add(os.push(qd, array));
    else {
      set.add(os.push(qd, message));
      done++;
      if (plant && done % PLANT_EVERY === 0) planted = { echo: done };
    }
    array.free();
    set.add(os.pop(qd));
  }
}

echoes(3 * ECHOES, true);
const withPlant = bytesPerOperation(ECHOES, count => echoes(count, true));
const bare = bytesPerOperation(ECHOES, count => echoes(count, false));
process.stdout.write(`${JSON.stringify({ bare, planted: withPlant, kept: planted !== undefined })}\n`);
process.exit(0);
