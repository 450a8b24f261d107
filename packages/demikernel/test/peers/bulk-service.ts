// A child process: our end of a bulk transfer, on a wait set over Catpowder.
//
//   node bulk-service.js PLAN OPEN-OPTIONS        says `up`, `begun` with the first connection, then a BulkReport in JSON

import type { Catpowder } from '../../src/liboses/catpowder/catpowder.ts';
import { type OpenOptions, open } from '../../src/pdpix/open.ts';
import { ENOBUFS } from '../../src/runtime/errno.ts';
import { readMetrics } from '../../src/runtime/metrics.ts';
import { OP_ACCEPT, OP_CONNECT, OP_POP, OP_PUSH } from '../../src/runtime/operation.ts';
import { SHUT_WR } from '../../src/runtime/queue.ts';
import type { BulkPlan, BulkReport } from './bulk-plan.ts';
import { StreamChecker, StreamPattern } from './stream-pattern.ts';

const PAUSE_CHECK_US = 10_000;

/** What one connection has done. */
class Transfer {
  sent = 0;
  pushing = 0;
  sending = true;
  receiving = true;
  pauseMs = plan.pauseMs ?? 0;
  readonly checker = new StreamChecker(receivePattern);
}

const plan: BulkPlan = JSON.parse(process.argv[2]!);
// Made before anything comes in: it takes long enough to lose frames.
const sendPattern = new StreamPattern(plan.sendSeed);
const receivePattern = new StreamPattern(plan.receiveSeed);
const options: OpenOptions = JSON.parse(process.argv[3]!);
const os = await open(options);
const report: BulkReport = { sent: 0, received: 0, trouble: '', seconds: 0, cpuSeconds: 0 };
const transfers = new Map<number, Transfer>();
const set = os.waitSet();
const { pool, runtime } = os.libraryOs;
let startedMs = 0;
let startCpu = process.cpuUsage();
let left = plan.connections;
const paused: number[] = [];
let resumeAtMs = 0;

function begin(qd: number): void {
  if (startedMs === 0) {
    console.log('begun');
    startedMs = performance.now();
    startCpu = process.cpuUsage();
  }
  const transfer = new Transfer();
  transfers.set(qd, transfer);
  set.add(os.pop(qd));
  send(qd, transfer);
}

function send(qd: number, transfer: Transfer): void {
  if (transfer.sent === plan.sendBytes) {
    os.shutdown(qd, SHUT_WR);
    transfer.sending = false;
    endWhenDone(qd, transfer);
    return;
  }
  const piece = sendPattern.at(transfer.sent, Math.min(plan.pieceBytes, plan.sendBytes - transfer.sent));
  transfer.pushing = piece.length;
  set.add(os.push(qd, piece));
}

function endWhenDone(qd: number, transfer: Transfer): void {
  if (transfer.sending || transfer.receiving) return;
  end(qd, transfer);
}

function end(qd: number, transfer: Transfer): void {
  if (!transfers.delete(qd)) return;
  os.close(qd);
  report.sent += transfer.sent;
  report.received += transfer.checker.received;
  if (transfer.checker.wrongAt >= 0) report.trouble ||= `wrong byte at ${transfer.checker.wrongAt}`;
  else if (transfer.checker.received !== plan.receiveBytes)
    report.trouble ||= `${transfer.checker.received} bytes came, not ${plan.receiveBytes}`;
  left--;
}

let listener = -1;
if (plan.role === 'listen') {
  listener = os.socket('stream');
  os.bind(listener, plan.address);
  os.listen(listener);
  set.add(os.accept(listener));
} else {
  for (let i = 0; i < plan.connections; i++) set.add(os.connect(os.socket('stream'), plan.address));
}
console.log('up');

while (left > 0 && !os.stopping) {
  if (paused.length > 0 && performance.now() >= resumeAtMs) {
    for (const qd of paused.splice(0)) set.add(os.pop(qd));
  }
  const result = set.wait(paused.length > 0 ? PAUSE_CHECK_US : undefined);
  if (result === undefined) {
    if (paused.length > 0) continue;
    break;
  }
  const { qd, errno } = result;
  if (result.opcode === OP_ACCEPT) {
    if (errno === 0) begin(result.acceptedQd);
    set.add(os.accept(listener));
    continue;
  }
  if (result.opcode === OP_CONNECT) {
    if (errno === 0) begin(qd);
    else {
      report.trouble ||= `connect: errno ${errno}`;
      left--;
    }
    continue;
  }
  const transfer = transfers.get(qd);
  if (transfer === undefined) {
    result.array?.free();
    continue;
  }
  if (errno !== 0 && !(result.opcode === OP_PUSH && errno === ENOBUFS)) {
    report.trouble ||= `operation ${result.opcode}: errno ${errno}`;
    end(qd, transfer);
  } else if (result.opcode === OP_PUSH) {
    // Without device memory the same piece is tried again.
    if (errno === 0) transfer.sent += transfer.pushing;
    send(qd, transfer);
  } else if (result.opcode === OP_POP) {
    const array = result.array!;
    const { count, segments } = array;
    for (let i = 0; i < count; i++) transfer.checker.take(segments[i]!.bytes());
    array.free();
    if (count > 0 && transfer.pauseMs > 0) {
      resumeAtMs = performance.now() + transfer.pauseMs;
      transfer.pauseMs = 0;
      paused.push(qd);
    } else if (count > 0) set.add(os.pop(qd));
    else {
      transfer.receiving = false;
      endWhenDone(qd, transfer);
    }
  }
}
const { user, system } = process.cpuUsage(startCpu);
report.seconds = (performance.now() - startedMs) / 1000;
report.cpuSeconds = (user + system) / 1e6;
// What was pushed last is still acknowledged, and the peer's FIN answered.
const untilMs = performance.now() + 1000;
while (performance.now() < untilMs && runtime.timers.armedCount > 1) os.poll();
report.counters = readMetrics(runtime.metrics.buffer)?.counters;
const { device } = os.libraryOs as Partial<Catpowder>;
if (device !== undefined) {
  const { receiveDropped, transmitDropped } = device.counters;
  report.counters!['device'] = { receiveDropped, transmitDropped, poolExhausted: pool.exhausted };
}
os.shutDown();
report.slotsHeld = pool.slotCount - pool.freeSlots;
console.log(JSON.stringify(report));
