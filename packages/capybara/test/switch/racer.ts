// A thread of race.test.ts: runs the switch's program on one CPU while another thread does the same, both on the same
// memory, and counts what its backend was told.

import { parentPort, workerData } from 'node:worker_threads';
import { Program, XDP_REDIRECT } from '@demikernel/ebpf';
import type { Geometry } from '../../src/switch/layout.ts';
import { switchCode } from '../../src/switch/program.ts';
import * as H from '../../src/tcpmig/header.ts';
import { type Connection, FrameWriter, headerMac } from './frames.ts';

/** What the thread is given. */
export interface RacerData {
  /** Which backend it is: 0 the origin, 1 the target. */
  me: number;
  memory: number;
  devices: number;
  geometry: Geometry;
  rounds: number;
  headerKey: Uint8Array;
  switchAddress: number;
  connection: Connection;
  /** How many threads have come to a meeting so far; which meeting is over; the epoch; 1 when it is time to stop. */
  barrier: Int32Array;
  /** A word a round and backend: 1 when it was told that it owns. */
  won: Int32Array;
}

/** What it reports. */
export interface RacerResult {
  /** Connections it found entered, and how many there were. */
  opened: number;
  openings: number;
  /** Messages that did not do what they must, and rounds of claims. */
  lost: number;
  claims: number;
}

const data = workerData as RacerData;
const { me, geometry, barrier, won } = data;
const maps = { memory: { descriptor: data.memory }, devices: { descriptor: data.devices } };
const program = (port: number, role: 'client' | 'backend'): Program =>
  new Program({ name: 'demi_switch', code: switchCode({ port, role, geometry, ...maps }) });
const backend = program(1, 'backend');
const client = program(0, 'client');
const writer = new FrameWriter();
const mac = headerMac(data.headerKey);
const header = new H.MigrationHeader();
const out = new Uint8Array(512);
const reply = new H.MigrationHeader();
const replyView = new DataView(out.buffer);

/** Looks before a thread sleeps: where there are two processors free, both leave at once. */
const SPINS = 5000;
const LONGEST_MS = 2000;

/** Both threads leave at once, or nearly. */
function meet(round: number): void {
  if (Atomics.add(barrier, 0, 1) === 2 * round + 1) {
    Atomics.store(barrier, 1, round + 1);
    Atomics.notify(barrier, 1);
    return;
  }
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(barrier, 1) > round) return;
  while (Atomics.load(barrier, 1) <= round) Atomics.wait(barrier, 1, round);
}

function stopWhenLate(start: number): void {
  if (me === 0 && performance.now() - start > LONGEST_MS) Atomics.store(barrier, 3, 1);
}

function send(stage: number, sender: number, epoch: number): number {
  Object.assign(header, data.connection);
  header.stage = stage;
  header.sender = sender;
  header.origin = 0;
  header.target = 1;
  header.epoch = epoch;
  writer.ethernet(new Uint8Array(6), Uint8Array.of(2, 0, 0, 0, 2, sender), 0x0800);
  const length = writer.control(header, mac, 0x0a010100 + sender, data.switchAddress);
  const result = backend.testRun(writer.bytes.subarray(0, length), { out });
  if (result.action === XDP_REDIRECT) H.parseHeader(reply, replyView, 42, result.lengthBytes - 42, mac);
  return result.action;
}

function segment(connection: Connection, flags: number): number {
  writer.ethernet(new Uint8Array(6), Uint8Array.of(2, 0, 0, 0, 0, 9), 0x0800);
  const length = writer.tcp(connection, flags, 0, false);
  return client.testRun(writer.bytes.subarray(0, length)).action;
}

let round = 0;
let opened = 0;
// Both clients' CPUs open the same connections at the same time.
const start = performance.now();
let openings = 0;
for (; openings < data.rounds && Atomics.load(barrier, 3) === 0; openings++) {
  const n = openings;
  meet(round++);
  const connection = { ...data.connection, clientPort: 2000 + n };
  // A SYN that raced comes again.
  for (let tries = 0; tries < 3; tries++) if (segment(connection, 2) === XDP_REDIRECT) break;
  if (segment(connection, 16) === XDP_REDIRECT) opened++;
  stopWhenLate(start);
  meet(round++);
}
meet(round++);
if (me === 0) Atomics.store(barrier, 3, 0);
meet(round++);
// The origin claims back while the target commits, epoch after epoch.
let epoch = 0;
let lost = 0;
let claims = 0;
const claimsFrom = performance.now();
for (; claims < data.rounds && Atomics.load(barrier, 3) === 0; claims++) {
  const n = claims;
  meet(round++);
  if (me === 1) {
    if (send(H.PREPARE_ACK, 1, epoch) !== XDP_REDIRECT) lost++;
  }
  meet(round++);
  const action = send(me === 0 ? H.CLAIM_BACK : H.COMMIT, me, epoch);
  // The program gives up when it is beaten in the middle; the message then comes again.
  if (action !== XDP_REDIRECT) send(H.QUERY, me, epoch);
  else if (reply.verdict === H.VERDICT_OWNED) Atomics.store(won, 2 * n + me, 1);
  segment(data.connection, 16);
  meet(round++);
  // Whoever has it, the origin has it again before the next round.
  if (me === 0) {
    send(H.QUERY, 0, epoch);
    epoch = reply.entryEpoch + 1;
    send(H.RELEARN, 0, epoch);
    Atomics.store(barrier, 2, epoch);
    stopWhenLate(claimsFrom);
  }
  meet(round++);
  epoch = Atomics.load(barrier, 2);
}
backend.close();
client.close();
const result: RacerResult = { opened, openings, lost, claims };
parentPort!.postMessage(result);
