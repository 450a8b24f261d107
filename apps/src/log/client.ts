// A client of the log service in coroutines: appends records, waits for their acknowledgements, reads them back, compares.

import { type AddressLike, type Coroutine, type Coroutines, errnoName } from 'demikernel';
import { APPEND, FAILED, FrameReader, FrameWriter, READ, RECORD, readRequest } from './frames.ts';

export interface LogClientOptions {
  address: AddressLike;
  sizeBytes: number;
  /** Records to append. */
  count: number;
  /** Records on their way at once. */
  window: number;
}

/** What the client did. */
export interface LogClientReport {
  acknowledged: number;
  readBack: number;
  durationUs: number;
}

/** Starts the client; the report is complete when all coroutines are over. */
export function startLogClient(co: Coroutines, options: LogClientOptions): LogClientReport {
  const report: LogClientReport = { acknowledged: 0, readBack: 0, durationUs: 0 };
  co.spawn(() => run(co, options, report));
  return report;
}

/** Record `index`: its number, then bytes that tell it from the others. */
function recordOf(index: number, sizeBytes: number): Uint8Array {
  const record = new Uint8Array(Math.max(sizeBytes, 4));
  new DataView(record.buffer).setUint32(0, index, true);
  for (let i = 4; i < record.length; i++) record[i] = (i + index * 31) & 0xff;
  return record;
}

function* run(co: Coroutines, options: LogClientOptions, report: LogClientReport): Coroutine {
  const { os } = co;
  const { count, sizeBytes, window } = options;
  const qd = os.socket('stream');
  const frames = new FrameReader();
  const clock = os.libraryOs.runtime.clock.micros;
  try {
    check('connect', (yield* co.connect(qd, options.address)).errno);
    os.setsockopt(qd, 'noDelay', true);
    const startUs = clock[0]!;
    const positions: number[] = [];
    let sent = 0;
    while (positions.length < count) {
      const requests = new FrameWriter();
      while (sent < count && sent - positions.length < window)
        requests.frame(APPEND, recordOf(sent++, sizeBytes));
      if (requests.lengthBytes > 0) check('push', (yield* co.push(qd, requests.take())).errno);
      yield* receive(co, qd, frames);
      while (frames.next()) positions.push(positionOf(frames, APPEND, positions.at(-1) ?? 0));
      report.acknowledged = positions.length;
    }
    report.durationUs = clock[0]! - startUs;
    const request = new FrameWriter();
    request.frame(READ, readRequest(positions[0]!, count));
    check('push', (yield* co.push(qd, request.take())).errno);
    let expected = 0;
    let left = count;
    while (expected < count) {
      if (left === 0) {
        // Records of other clients stand between ours.
        left = count - expected;
        request.frame(READ, readRequest(positions[expected]!, left));
        check('push', (yield* co.push(qd, request.take())).errno);
      }
      yield* receive(co, qd, frames);
      while (frames.next()) {
        left--;
        if (positionOf(frames, RECORD, 0) !== positions[expected]) continue;
        compare(frames.body.subarray(8), recordOf(expected++, sizeBytes));
        report.readBack = expected;
      }
    }
  } finally {
    os.close(qd);
  }
}

function* receive(co: Coroutines, qd: number, frames: FrameReader): Coroutine {
  const { array, errno } = yield* co.pop(qd);
  check('pop', errno);
  const bytes = array!.toBytes();
  array!.free();
  if (bytes.length === 0) throw new Error('the server ended the connection');
  frames.add(bytes);
}

/** The position in an answer, which must be of this kind and come after `last`. */
function positionOf({ body, kind }: FrameReader, wanted: number, last: number): number {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (kind === FAILED) throw new Error(`the server says ${errnoName(view.getUint32(0, true))}`);
  if (kind !== wanted) throw new Error(`an answer of kind ${kind}`);
  const position = view.getFloat64(0, true);
  if (position <= last) throw new Error('records are acknowledged out of order');
  return position;
}

function compare(read: Uint8Array, appended: Uint8Array): void {
  if (Buffer.compare(read, appended) !== 0) throw new Error('a record came back changed');
}

function check(call: string, errno: number): void {
  if (errno !== 0) throw new Error(`${call}: ${errnoName(errno)}`);
}
