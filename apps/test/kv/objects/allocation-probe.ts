// Run in a process of its own by allocation.test.ts: prints the heap bytes that a request and its reply allocate, from the arrived
// frame to the pushed array, and for Cornflakes on a socket from end to end; beside a planted allocation.

import { bytesPerOperation } from '@demikernel/lab';
import { heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { open } from 'demikernel';
import { loadCodec } from '../../../src/kv/objects/codecs.ts';
import { ObjectRequest } from '../../../src/kv/objects/messages.ts';
import { ObjectServer } from '../../../src/kv/objects/object-server.ts';
import { ObjectService } from '../../../src/kv/objects/object-service.ts';
import { ObjectStore } from '../../../src/kv/objects/object-store.ts';
import { Outbox } from '../../../src/kv/objects/outbox.ts';
import { GET, GET_LIST, GET_M, PUT } from '../../../src/kv/objects/protocol.ts';

const ROUNDS = 2000;
const WARM_UP = 20_000;
const SLICE_BYTES = 1448;
const LENGTHS = [16, 64, 300, 511, 600, 1400, 4000, 20_000] as const;

const memory = heapRegion(1 << 16);
const request = new ObjectRequest(memory);

function ask(operation: number, keys: readonly number[], lengths: readonly number[]): ObjectRequest {
  request.id = 5;
  request.operation = operation;
  request.keys.reset(memory);
  request.values.reset(memory);
  for (const key of keys) {
    memory.bytes.fill(65 + key, 64 * key, 64 * key + 60);
    request.keys.add(64 * key, 60);
  }
  for (const length of lengths) request.values.add(4096, length);
  return request;
}

const results: Record<string, number> = {};
const planted: { round: number }[] = [];

/** One request through a service, over and over. */
async function throughService(protocol: 'cornflakes' | 'raw'): Promise<void> {
  const pool = new SlotPool(heapRegion(4096 * 2048), { slotSizeBytes: 2048 });
  const store = new ObjectStore({ pool, slotShare: 0.5, secret: [1, 2] });
  const service = new ObjectService(await loadCodec(protocol), store);
  const client = await loadCodec(protocol);
  const outbox = new Outbox(pool, SLICE_BYTES, true);
  const frame = (asked: ObjectRequest): ScatterGatherArray => {
    const arrived = new Outbox(pool, SLICE_BYTES, false);
    if (!arrived.add(client.encodeRequest(asked))) throw new Error('no memory');
    client.release();
    return arrived.take()!;
  };
  const serve = (array: ScatterGatherArray): void => {
    const reply = service.answer(array);
    if (reply === undefined || !outbox.add(reply)) throw new Error('no reply');
    service.done();
    outbox.take()!.free();
  };
  const measure = (name: string, array: ScatterGatherArray): void => {
    const run = (count: number): void => {
      for (let i = 0; i < count; i++) serve(array);
    };
    run(WARM_UP);
    results[`${protocol} ${name}`] = bytesPerOperation(ROUNDS, run);
    array.free();
  };
  for (const [key, length] of LENGTHS.entries()) {
    const put = frame(ask(PUT, [key], [length]));
    serve(put);
    measure(`put ${length}`, put);
    measure(`get ${length}`, frame(ask(GET, [key], [])));
  }
  measure('get-m', frame(ask(GET_M, [0, 1, 2, 3, 20], [])));
  serve(frame(ask(PUT, [9], [10, 200, 700, 3000])));
  measure('get-list', frame(ask(GET_LIST, [9], [])));
}

/** From a client's push to its pop, on the loopback interface. */
async function overSockets(): Promise<void> {
  const os = await open({ libos: 'catnap', wait: 'spin' });
  const server = new ObjectServer(os, { address: '127.0.0.1:0', codec: await loadCodec('cornflakes') });
  const client = await loadCodec('cornflakes');
  const { pool, sliceBytes } = os.libraryOs;
  const set = os.waitSet();
  const qd = os.socket('stream');
  set.add(os.connect(qd, server.address));
  const turn = (): void => {
    os.poll();
    server.serveReady();
  };
  const done = (): ScatterGatherArray | undefined => {
    let result = set.take();
    for (; result === undefined; result = set.take()) turn();
    if (result.errno !== 0) throw new Error(`errno ${result.errno}`);
    return result.array;
  };
  done();
  os.setsockopt(qd, 'noDelay', true);
  const exchange = (array: ScatterGatherArray): void => {
    set.add(os.push(qd, array));
    done();
    set.add(os.pop(qd));
    done()!.free();
  };
  const outbox = new Outbox(pool, sliceBytes, true);
  const frame = (asked: ObjectRequest): ScatterGatherArray => {
    if (!outbox.add(client.encodeRequest(asked))) throw new Error('no memory');
    client.release();
    return outbox.take()!;
  };
  for (const [key, length] of [300, 700].entries()) {
    exchange(frame(ask(PUT, [key], [length])));
    const get = frame(ask(GET, [key], []));
    const run = (count: number): void => {
      for (let i = 0; i < count; i++) exchange(get);
    };
    run(WARM_UP);
    results[`sockets get ${length}`] = bytesPerOperation(ROUNDS, run);
  }
  os.shutDown();
}

results['planted'] = bytesPerOperation(ROUNDS, count => {
  for (let i = 0; i < count; i++) if (i % 10 === 0) planted[0] = { round: i };
});
await throughService('cornflakes');
await throughService('raw');
await overSockets();
process.stdout.write(`${JSON.stringify(results)}\n`);
