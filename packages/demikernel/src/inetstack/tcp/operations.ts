// Pushes into the send queue and pops out of the receive queue: where operations meet a connection's bytes.

import { EAGAIN, ECANCELED, EPIPE } from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_ACKED } from '../../runtime/operation.ts';
import type { TcpConnection } from './connection.ts';
import { CLOSE_WAIT, CLOSED, ESTABLISHED, FIN_WAIT_1, LAST_ACK } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { markReady, offerWindow } from './transmit.ts';

/** Bytes that a pop without a size takes at most. */
const POP_BYTES = 65_536;
/** A queued slice may be one byte and pins a slot: this many bytes of buffer allow one slice. */
const BUFFER_BYTES_PER_SLICE = 256;

/** Pushes, pops and accepts that may wait on one queue, each; one more fails with EAGAIN. */
export const MAX_WAITING = 1024;

/** Whether a push finds no room and stays pending. */
function sendQueueFull(c: TcpConnection): boolean {
  return (
    c.sendQueue.bytes >= c.sendBufferBytes ||
    (c.sendQueue.count >= 64 && c.sendQueue.count * BUFFER_BYTES_PER_SLICE >= c.sendBufferBytes)
  );
}

/** Takes a push: its bytes now, as far as there is room, the rest in order behind earlier ones. */
export function push(layer: TcpLayer, c: TcpConnection, operation: Operation): void {
  if (c.sndShut !== 0 || c.state < ESTABLISHED) {
    failPush(layer, operation, c.error !== 0 ? c.error : EPIPE);
    return;
  }
  if (c.pushes.count === MAX_WAITING) {
    failPush(layer, operation, EAGAIN);
    return;
  }
  if (c.pushes.head !== undefined || !movePush(layer, c, operation, false)) c.pushes.push(operation);
  else finishPush(layer, c, operation);
  markReady(layer, c);
}

/** Lets pending pushes in as far as acknowledged bytes have made room. */
export function acceptPushes(layer: TcpLayer, c: TcpConnection): void {
  for (let operation = c.pushes.head; operation !== undefined; operation = c.pushes.head) {
    if (!movePush(layer, c, operation, false)) return;
    c.pushes.remove(operation);
    finishPush(layer, c, operation);
  }
  if (c.sndShut !== 0) queueFin(layer, c);
}

/** Moves slices of a push to the send queue; false when some are left. `force`: whatever the bounds. */
export function movePush(_layer: TcpLayer, c: TcpConnection, operation: Operation, force: boolean): boolean {
  const array = operation.array;
  if (array === undefined) return true;
  const { segments } = array;
  const total = array.count;
  let at = 0;
  while (at < total && (force || !sendQueueFull(c))) {
    const slice = segments[at++]!;
    if (slice.length === 0) slice.release();
    else {
      operation.doneBytes += slice.length;
      c.sendQueue.append(slice);
      c.mayHaveUnsent = 1;
    }
  }
  // What was not moved closes up, so that the array holds exactly the references it still owns.
  for (let i = at; i < total; i++) segments[i - at] = segments[i]!;
  array.count = total - at;
  return at === total;
}

/** All bytes are in the send queue: the push completes now, or when they are acknowledged. */
export function finishPush(layer: TcpLayer, c: TcpConnection, operation: Operation): void {
  operation.array?.free();
  operation.array = undefined;
  if ((operation.flags & PUSH_ACKED) !== 0 && c.sendQueue.bytes > 0) {
    operation.mark = (c.sndUna + c.sendQueue.bytes) | 0;
    c.ackedPushes.push(operation);
    return;
  }
  layer.runtime.operations.complete(operation, 0);
}

/** Ends a push that is on no list, giving its payload up. */
export function failPush(layer: TcpLayer, operation: Operation, errno: number): void {
  operation.array?.free();
  operation.array = undefined;
  layer.runtime.operations.complete(operation, errno);
}

/** Puts the FIN behind the queued bytes, once no push is pending (RFC 9293 section 3.10.4). */
export function queueFin(layer: TcpLayer, c: TcpConnection): void {
  if (c.finQueued !== 0 || c.pushes.head !== undefined) return;
  if (c.state === ESTABLISHED) c.state = FIN_WAIT_1;
  else if (c.state === CLOSE_WAIT) c.state = LAST_ACK;
  else return;
  c.finQueued = 1;
  markReady(layer, c);
}

/** Takes a pop: completes it from what has arrived, or keeps it until something does. */
export function pop(layer: TcpLayer, c: TcpConnection, operation: Operation): void {
  if (c.waitingPop !== undefined) {
    waitBehind(layer, c, operation);
    return;
  }
  if (c.mayHaveUnread !== 0) {
    if (c.receiveQueue.bytes > 0) {
      servePop(layer, c, operation);
      if (c.rcvEnded === 0) offerWindow(layer, c);
      return;
    }
    c.mayHaveUnread = 0;
  }
  if (c.error !== 0) layer.runtime.operations.complete(operation, c.error);
  else if (c.rcvEnded !== 0 || c.rcvShut !== 0 || c.state === CLOSED) completeEnd(layer, operation);
  else c.waitingPop = operation;
}

function waitBehind(layer: TcpLayer, c: TcpConnection, operation: Operation): void {
  if (c.morePops === undefined) c.morePops = new OperationList();
  if (c.morePops.count === MAX_WAITING - 1) layer.runtime.operations.complete(operation, EAGAIN);
  else c.morePops.push(operation);
}

/** Keeps a pop although there may be something to pop: the connection is frozen. */
export function holdPop(layer: TcpLayer, c: TcpConnection, operation: Operation): void {
  if (c.waitingPop === undefined) c.waitingPop = operation;
  else waitBehind(layer, c, operation);
}

/** Takes the pop that waits longest; `undefined` when none does. */
export function takePop(c: TcpConnection): Operation | undefined {
  const operation = c.waitingPop;
  c.waitingPop = c.morePops === undefined ? undefined : c.morePops.shift();
  return operation;
}

/** Takes back a pop that waits; false when it does not. */
export function cancelPop(layer: TcpLayer, c: TcpConnection, operation: Operation): boolean {
  if (operation === c.waitingPop) takePop(c);
  else if (operation.list !== undefined && operation.list === c.morePops) c.morePops.remove(operation);
  else return false;
  layer.runtime.operations.complete(operation, ECANCELED);
  return true;
}

function servePop(layer: TcpLayer, c: TcpConnection, operation: Operation): void {
  const array = layer.pool.array();
  const wanted = operation.sizeBytes;
  c.receiveQueue.popInto(array, wanted > 0 ? wanted : POP_BYTES);
  operation.array = array;
  layer.runtime.operations.complete(operation, 0);
}

/** Completes a pop with the end of the stream: an empty array. */
function completeEnd(layer: TcpLayer, operation: Operation): void {
  operation.array = layer.pool.array();
  layer.runtime.operations.complete(operation, 0);
}

/** Completes pending pops from what has arrived. */
export function servePops(layer: TcpLayer, c: TcpConnection): void {
  for (let operation = c.waitingPop; operation !== undefined; operation = c.waitingPop) {
    if (c.receiveQueue.bytes > 0) {
      takePop(c);
      servePop(layer, c, operation);
    } else if (c.rcvEnded !== 0 || c.rcvShut !== 0) {
      takePop(c);
      completeEnd(layer, operation);
    } else return;
  }
}

/** Completes every pending operation of a connection with `errno`. */
export function failOperations(layer: TcpLayer, c: TcpConnection, errno: number): void {
  const { operations } = layer.runtime;
  if (c.connecting !== undefined) {
    const connecting = c.connecting;
    c.connecting = undefined;
    operations.complete(connecting, errno);
  }
  for (let operation = takePop(c); operation !== undefined; operation = takePop(c)) {
    operations.complete(operation, errno);
  }
  for (let operation = c.pushes.shift(); operation !== undefined; operation = c.pushes.shift()) {
    failPush(layer, operation, errno);
  }
  for (let operation = c.ackedPushes.shift(); operation !== undefined; operation = c.ackedPushes.shift()) {
    operations.complete(operation, errno);
  }
}
