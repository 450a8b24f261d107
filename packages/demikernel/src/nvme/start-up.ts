// Bringing a controller up, from any state, and shutting it down (Base Specification 2.0, sections 3.5 and 3.6). Each is a
// generator that yields while the device takes its time.

import { DemiError } from '@demikernel/memory';
import type { AdminQueue, NvmeWork } from './admin.ts';
import {
  ADMIN_DELETE_COMPLETION_QUEUE,
  ADMIN_DELETE_SUBMISSION_QUEUE,
  encodeCreateCompletionQueue,
  encodeCreateSubmissionQueue,
  encodeDeleteQueue,
  encodeIdentify,
  encodeSetQueueCount,
  IDENTIFY_ACTIVE_NAMESPACES,
  IDENTIFY_CONTROLLER,
  IDENTIFY_NAMESPACE,
} from './commands.ts';
import type { DmaMemory, NvmeDoor } from './door.ts';
import {
  type ControllerIdentity,
  type NvmeNamespace,
  readControllerIdentity,
  readNamespace,
  readNamespaceList,
} from './identify.ts';
import type { QueuePair } from './queue-pair.ts';
import {
  ACQ_HIGH,
  ACQ_LOW,
  AQA,
  ASQ_HIGH,
  ASQ_LOW,
  type Capabilities,
  CC,
  CC_ENABLE,
  CC_LAYOUT,
  CC_SHUTDOWN,
  CSTS,
  CSTS_FATAL,
  CSTS_READY,
  CSTS_SHUTDOWN_COMPLETE,
  CSTS_SHUTDOWN_MASK,
  GONE,
  INTMS,
} from './registers.ts';

/** What starting needs. */
export interface StartUp {
  door: NvmeDoor;
  admin: AdminQueue;
  pairs: readonly QueuePair[];
  capabilities: Capabilities;
  /** A page for answers. */
  scratch: DmaMemory;
  nowMs: () => number;
}

/** What a started controller is. */
export interface Started {
  identity: ControllerIdentity;
  namespaces: NvmeNamespace[];
  /** Namespaces that cannot be used, and why. */
  refused: Map<number, string>;
  /** How many of the queue pairs the device has granted. */
  pairs: number;
}

/** Added to the time that the device claims to need. */
const GRACE_MS = 1000;
/** Namespaces looked at; nobody has more. */
const MAX_NAMESPACES = 128;

const broken = (door: NvmeDoor, what: string): DemiError =>
  new DemiError('ERR_DEMI_DEVICE', `NVMe ${door.name}: ${what}`);

/**
 * Disables the controller, whatever it is doing. Afterwards it reaches no memory, and nothing is under way.
 *
 * @throws DemiError `ERR_DEMI_DEVICE` when it does not stop
 */
export function* disable(start: StartUp): NvmeWork<void> {
  const { door } = start;
  const { registers } = door;
  if (registers[CSTS] === GONE) throw broken(door, 'is gone');
  registers[INTMS] = GONE;
  registers[CC] = registers[CC]! & ~(CC_ENABLE | (3 << 14));
  const stopped = yield* waitFor(start, () => (registers[CSTS]! & CSTS_READY) === 0);
  if (!stopped) {
    // The specification's last word: the function is reset from outside, by PCI.
    if (!door.resetFunction()) throw broken(door, 'does not stop');
    if (!(yield* waitFor(start, () => (registers[CSTS]! & CSTS_READY) === 0)))
      throw broken(door, 'does not stop');
  }
  start.admin.reset();
  for (const pair of start.pairs) pair.reset();
}

/** Enables a disabled controller: admin queue, identity, I/O queues. @throws DemiError `ERR_DEMI_DEVICE` */
export function* enable(start: StartUp): NvmeWork<Started> {
  const { admin, door, pairs } = start;
  const { registers } = door;
  const entries = admin.pair.entries - 1;
  registers[AQA] = entries | (entries << 16);
  writeAddress(registers, ASQ_LOW, ASQ_HIGH, admin.pair.submissionPage);
  writeAddress(registers, ACQ_LOW, ACQ_HIGH, admin.pair.completionPage);
  registers[CC] = CC_LAYOUT | CC_ENABLE;
  let fatal = false;
  const ready = yield* waitFor(start, () => {
    const status = registers[CSTS]!;
    fatal = (status & CSTS_FATAL) !== 0;
    return fatal || (status & CSTS_READY) !== 0;
  });
  if (!ready || fatal) throw broken(door, fatal ? 'says that it is broken' : 'does not become ready');
  const identity = yield* identifyController(start);
  const granted = yield* admin.ask(
    'asking for queues',
    (words, at) => encodeSetQueueCount(words, at, pairs.length),
    start.nowMs,
  );
  const count = Math.min((granted & 0xffff) + 1, (granted >>> 16) + 1, pairs.length);
  for (const pair of pairs.slice(0, count)) yield* createQueues(start, pair);
  const { namespaces, refused } = yield* identifyNamespaces(start, identity);
  return { identity, namespaces, refused, pairs: count };
}

function writeAddress(registers: Uint32Array, low: number, high: number, page: number): void {
  registers[low] = page << 12;
  registers[high] = page >>> 20;
}

function* waitFor(start: StartUp, condition: () => boolean): NvmeWork<boolean> {
  const limitMs = start.capabilities.readyTimeoutMs + GRACE_MS;
  const startedMs = start.nowMs();
  while (!condition()) {
    if (start.door.registers[CSTS] === GONE) throw broken(start.door, 'is gone');
    if (((start.nowMs() - startedMs) | 0) > limitMs) return false;
    yield undefined;
  }
  return true;
}

function* identifyController(start: StartUp): NvmeWork<ControllerIdentity> {
  const { admin, nowMs, scratch } = start;
  const page = scratch.firstPage;
  yield* admin.ask(
    'identifying the controller',
    (words, at) => encodeIdentify(words, at, IDENTIFY_CONTROLLER, 0, page),
    nowMs,
  );
  return readControllerIdentity(scratch.view);
}

function* identifyNamespaces(
  start: StartUp,
  identity: ControllerIdentity,
): NvmeWork<Pick<Started, 'namespaces' | 'refused'>> {
  const { admin, nowMs, scratch } = start;
  const page = scratch.firstPage;
  const identify = (structure: number, id: number): NvmeWork<number> =>
    admin.ask(
      `identifying namespace ${id}`,
      (words, at) => encodeIdentify(words, at, structure, id, page),
      nowMs,
    );
  yield* identify(IDENTIFY_ACTIVE_NAMESPACES, 0);
  const ids = readNamespaceList(scratch.view).filter(id => id <= identity.namespaceCount);
  const namespaces: NvmeNamespace[] = [];
  const refused = new Map<number, string>();
  for (const id of ids.slice(0, MAX_NAMESPACES)) {
    yield* identify(IDENTIFY_NAMESPACE, id);
    const namespace = readNamespace(scratch.view, id);
    if (typeof namespace === 'string') refused.set(id, namespace);
    else namespaces.push(namespace);
  }
  return { namespaces, refused };
}

function* createQueues(start: StartUp, pair: QueuePair): NvmeWork<void> {
  const { id, entries, completionPage, submissionPage } = pair;
  yield* start.admin.ask(
    `creating completion queue ${id}`,
    (words, at) => encodeCreateCompletionQueue(words, at, id, entries, completionPage),
    start.nowMs,
  );
  yield* start.admin.ask(
    `creating submission queue ${id}`,
    (words, at) => encodeCreateSubmissionQueue(words, at, id, entries, submissionPage),
    start.nowMs,
  );
}

/** Deletes the queues and lets the device write what it keeps in volatile memory. @throws DemiError as {@link disable} */
export function* shutDown(start: StartUp, pairs: number): NvmeWork<void> {
  const { admin, door } = start;
  const { registers } = door;
  for (const { id } of start.pairs.slice(0, pairs)) {
    for (const opcode of [ADMIN_DELETE_SUBMISSION_QUEUE, ADMIN_DELETE_COMPLETION_QUEUE]) {
      yield* admin.ask(
        `deleting queue ${id}`,
        (words, at) => encodeDeleteQueue(words, at, opcode, id),
        start.nowMs,
      );
    }
  }
  registers[CC] = registers[CC]! | CC_SHUTDOWN;
  yield* waitFor(start, () => (registers[CSTS]! & CSTS_SHUTDOWN_MASK) === CSTS_SHUTDOWN_COMPLETE);
  yield* disable(start);
}
