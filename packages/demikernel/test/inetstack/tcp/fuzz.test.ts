// Segments that were mutated, against live connections in every state: no exception, no leak, and the stack still serves.
// FUZZ_ITERATIONS for longer runs, FUZZ_SEED to repeat one.

import { test } from 'node:test';
import { SeededRandom } from '../../../src/runtime/random.ts';
import { PEER_ISS, TcpScript, tcpFrame } from './tcp-script.ts';

const ITERATIONS = Number(process.env['FUZZ_ITERATIONS'] ?? 20_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const STATES = [
  'SYN-SENT',
  'SYN-RECEIVED',
  'ESTABLISHED',
  'CLOSE-WAIT',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'CLOSING',
  'LAST-ACK',
  'TIME-WAIT',
];
const SEGMENTS_PER_CONNECTION = 200;

/** A segment near the connection's numbers, with anything in it. */
function segment(script: TcpScript, random: SeededRandom): Buffer {
  const near = (base: number): number =>
    (base + (random.below(4) === 0 ? random.int32() : random.below(4000) - 1000)) | 0;
  const c = script.queue.state;
  let flags = '';
  for (const letter of 'FSRPAU')
    if ((random.below(letter === 'A' ? 8 : 6) === 0) !== (letter === 'A')) flags += letter;
  const options = Buffer.alloc(random.below(3) === 0 ? 4 * random.below(11) : 0);
  for (let i = 0; i < options.length; i++) {
    options[i] = random.below(3) === 0 ? random.int32() : [0, 1, 2, 3, 4, 8, 10][random.below(7)]!;
  }
  const frame = tcpFrame({
    flags,
    seq: near(c?.rcvNxt ?? PEER_ISS),
    ack: near(c?.sndUna ?? 0),
    window: random.below(65_536),
    payload: Buffer.alloc(random.below(2) === 0 ? 0 : random.below(1400)),
    options,
    destinationPort: script.ourPort,
  });
  // Half of them are damaged further, with checksums that may or may not fit.
  if (random.below(2) === 0) {
    for (let n = random.below(4); n > 0; n--) frame[34 + random.below(frame.length - 34)] = random.int32();
  }
  return random.below(10) === 0 ? frame.subarray(0, 34 + random.below(frame.length - 34)) : frame;
}

test(`${ITERATIONS} mutated segments`, () => {
  const random = new SeededRandom(SEED);
  for (let done = 0, round = 0; done < ITERATIONS; round++) {
    const script = new TcpScript({
      device: { slots: 512, debugMemory: false },
      tcp: { timestamps: random.below(2) === 0, windowScaling: random.below(2) === 0 },
    });
    const state = STATES[round % STATES.length]!;
    try {
      script.reach(state);
      for (let i = 0; i < SEGMENTS_PER_CONNECTION && done < ITERATIONS; i++, done++) {
        // The device vouches for some checksums: then damage reaches the state machine.
        script.device.put(segment(script, random), random.below(3) === 0 ? 0 : 1);
        script.turn();
        if (state !== 'SYN-RECEIVED' && script.queue.state !== undefined) act(script, random);
        if (random.below(20) === 0) script.pass(random.below(10_000));
      }
      script.finishAll();
    } catch (error) {
      throw new Error(`FUZZ_SEED=${SEED}, round ${round}, segment ${done}, from ${state}: ${error}`, {
        cause: error,
      });
    }
  }
});

function act(script: TcpScript, random: SeededRandom): void {
  const choice = random.below(12);
  if (choice === 0) script.keepOrFinish(script.pop(script.queue, random.below(2000)));
  else if (choice === 1) script.keepOrFinish(script.push(script.queue, new Uint8Array(random.below(3000))));
  else if (choice === 2 && random.below(20) === 0) script.queue.shutdown(random.below(3));
}
