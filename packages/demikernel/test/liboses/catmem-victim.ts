// A process that talks over Catmem until it is killed. `serve ADDRESS` echoes; `call ADDRESS SEED` sends messages of all
// sizes and reads what comes back. Says on standard output that it is there. No test.

import { writeSync } from 'node:fs';
import { type Demikernel, OP_ACCEPT, OP_POP, open, type WaitMode } from '../../src/index.ts';
import { SeededRandom } from '../../src/runtime/random.ts';

const LARGEST_BYTES = 40_000;

function serve(os: Demikernel, address: string): void {
  const listening = os.socket('stream');
  os.bind(listening, address);
  os.listen(listening);
  const set = os.waitSet();
  set.add(os.accept(listening));
  writeSync(1, 'ready\n');
  for (let result = set.wait(); result !== undefined; result = set.wait()) {
    if (result.opcode === OP_ACCEPT) {
      set.add(os.accept(listening));
      set.add(os.pop(result.acceptedQd));
    } else if (result.opcode === OP_POP) {
      const { array, qd } = result;
      if (array === undefined || array.count === 0) {
        array?.free();
        os.close(qd);
        continue;
      }
      set.add(os.push(qd, array));
      set.add(os.pop(qd));
      array.free();
    }
  }
}

function call(os: Demikernel, address: string, seed: number): void {
  const random = new SeededRandom(seed);
  const qd = os.socket('stream');
  writeSync(1, 'ready\n');
  const connected = os.wait(os.connect(qd, address));
  if (connected?.errno !== 0) process.exit(3);
  const set = os.waitSet();
  set.add(os.pop(qd));
  for (;;) {
    const array = os.alloc(1 + random.below(LARGEST_BYTES));
    if (array !== undefined) {
      set.add(os.push(qd, array));
      array.free();
    }
    for (let result = set.wait(); result !== undefined; result = set.take()) {
      if (result.errno !== 0) process.exit(4);
      if (result.opcode !== OP_POP) continue;
      result.array?.free();
      set.add(os.pop(qd));
    }
  }
}

const [role = '', address = '', seed = '1', wait = 'adaptive'] = process.argv.slice(2);
const os = await open({ libos: 'catmem', wait: wait as WaitMode, memoryBytes: 4 << 20, slotSizeBytes: 4096 });
if (role === 'serve') serve(os, address);
else call(os, address, Number(seed));
os.shutDown();
