// Every state against every kind of segment: what is answered, and which state follows (RFC 9293 section 3.10.7, RFC 5961).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TcpScript } from './tcp-script.ts';

/** Segment from the peer, what we send in the same turn, the state after it. */
type Row = [segment: string, answers: string[], state: string];

const WINDOW_END = 262_145; // far outside of any window of these tests

/** In the synchronized states: the peer's SYN was 0; ours was 0, our FIN, where there is one, is 1. */
const TABLES: Record<string, Row[]> = {
  'SYN-SENT': [
    ['SA 0 ack 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['SA 0 ack 2', ['R 2(0)'], 'SYN-SENT'],
    ['SA 0 ack 0', ['R 0(0)'], 'SYN-SENT'],
    ['S 0', ['SA 0(0) ack 1'], 'SYN-RECEIVED'],
    ['A 0 ack 1', [], 'SYN-SENT'],
    ['A 0 ack 5', ['R 5(0)'], 'SYN-SENT'],
    ['R 0', [], 'SYN-SENT'],
    ['RA 0 ack 7', [], 'SYN-SENT'],
    ['RA 0 ack 1', [], 'CLOSED'],
    ['F 0', [], 'SYN-SENT'],
    ['- 0', [], 'SYN-SENT'],
    ['FA 0 ack 1', [], 'SYN-SENT'],
  ],
  'SYN-RECEIVED': [
    ['A 1 ack 1', [], 'ESTABLISHED'],
    ['A 1(10) ack 1', [], 'ESTABLISHED'],
    ['FA 1 ack 1', ['A 1(0) ack 2'], 'CLOSE-WAIT'],
    ['A 1 ack 0', ['R 0(0)'], 'SYN-RECEIVED'],
    ['A 1 ack 2', ['R 2(0)'], 'SYN-RECEIVED'],
    ['S 0', ['SA 0(0) ack 1'], 'SYN-RECEIVED'],
    ['SA 0 ack 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['S 5', ['A 1(0) ack 1'], 'SYN-RECEIVED'],
    ['R 1', [], 'CLOSED'],
    ['R 2', ['A 1(0) ack 1'], 'SYN-RECEIVED'],
    ['R 100000', [], 'SYN-RECEIVED'],
    ['- 1(5)', [], 'SYN-RECEIVED'],
    [`A ${WINDOW_END} ack 1`, ['A 1(0) ack 1'], 'SYN-RECEIVED'],
  ],
  ESTABLISHED: [
    ['A 1 ack 1', [], 'ESTABLISHED'],
    ['A 1(10) ack 1', [], 'ESTABLISHED'],
    ['PA 1(10) ack 1', [], 'ESTABLISHED'],
    ['A 1(1460) ack 1', [], 'ESTABLISHED'],
    ['A 11(10) ack 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['A -9(10) ack 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['A -5(10) ack 1', ['A 1(0) ack 5'], 'ESTABLISHED'],
    ['A 0 ack 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['A 0(1) ack 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    [`A ${WINDOW_END} ack 1`, ['A 1(0) ack 1'], 'ESTABLISHED'],
    [`A ${WINDOW_END}(10) ack 1`, ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['A 1 ack 2', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['A 1(10) ack 2', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['A 1 ack -70000', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['A 1 ack 0', [], 'ESTABLISHED'],
    ['FA 1 ack 1', ['A 1(0) ack 2'], 'CLOSE-WAIT'],
    ['FA 1(10) ack 1', ['A 1(0) ack 12'], 'CLOSE-WAIT'],
    ['FA 11 ack 1', [], 'ESTABLISHED'],
    ['F 1', [], 'ESTABLISHED'],
    ['- 1(10)', [], 'ESTABLISHED'],
    ['R 1', [], 'CLOSED'],
    ['RA 1 ack 1', [], 'CLOSED'],
    ['R 2', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['R 65000', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['R 0', [], 'ESTABLISHED'],
    [`R ${WINDOW_END}`, [], 'ESTABLISHED'],
    ['S 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['S 0', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['SA 0 ack 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['SA 1 ack 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    [`S ${WINDOW_END}`, ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['UA 1(10) ack 1', [], 'ESTABLISHED'],
    ['SF 1', ['A 1(0) ack 1'], 'ESTABLISHED'],
    ['FSRPAU 1 ack 1', [], 'CLOSED'],
  ],
  'FIN-WAIT-1': [
    ['A 1 ack 1', [], 'FIN-WAIT-1'],
    ['A 1 ack 2', [], 'FIN-WAIT-2'],
    ['A 1(10) ack 2', [], 'FIN-WAIT-2'],
    ['A 1(10) ack 1', [], 'FIN-WAIT-1'],
    ['FA 1 ack 1', ['A 2(0) ack 2'], 'CLOSING'],
    ['FA 1 ack 2', ['A 2(0) ack 2'], 'TIME-WAIT'],
    ['FA 1(5) ack 2', ['A 2(0) ack 7'], 'TIME-WAIT'],
    ['A 1 ack 3', ['A 2(0) ack 1'], 'FIN-WAIT-1'],
    ['R 1', [], 'CLOSED'],
    ['R 2', ['A 2(0) ack 1'], 'FIN-WAIT-1'],
    ['S 1', ['A 2(0) ack 1'], 'FIN-WAIT-1'],
    ['- 1', [], 'FIN-WAIT-1'],
  ],
  'FIN-WAIT-2': [
    ['A 1 ack 2', [], 'FIN-WAIT-2'],
    ['A 1(10) ack 2', [], 'FIN-WAIT-2'],
    ['FA 1 ack 2', ['A 2(0) ack 2'], 'TIME-WAIT'],
    ['FA 1(10) ack 2', ['A 2(0) ack 12'], 'TIME-WAIT'],
    ['FA 5 ack 2', [], 'FIN-WAIT-2'],
    ['A 1 ack 3', ['A 2(0) ack 1'], 'FIN-WAIT-2'],
    ['R 1', [], 'CLOSED'],
    ['R 9', ['A 2(0) ack 1'], 'FIN-WAIT-2'],
    ['S 1', ['A 2(0) ack 1'], 'FIN-WAIT-2'],
    ['SA 0 ack 1', ['A 2(0) ack 1'], 'FIN-WAIT-2'],
  ],
  'CLOSE-WAIT': [
    ['A 2 ack 1', [], 'CLOSE-WAIT'],
    ['FA 1 ack 1', ['A 1(0) ack 2'], 'CLOSE-WAIT'],
    ['A 2(10) ack 1', [], 'CLOSE-WAIT'],
    ['A 2 ack 2', ['A 1(0) ack 2'], 'CLOSE-WAIT'],
    ['R 2', [], 'CLOSED'],
    ['R 3', ['A 1(0) ack 2'], 'CLOSE-WAIT'],
    ['S 2', ['A 1(0) ack 2'], 'CLOSE-WAIT'],
    ['- 2', [], 'CLOSE-WAIT'],
  ],
  CLOSING: [
    ['A 2 ack 2', [], 'TIME-WAIT'],
    ['A 2 ack 1', [], 'CLOSING'],
    ['FA 1 ack 1', ['A 2(0) ack 2'], 'CLOSING'],
    ['A 2 ack 3', ['A 2(0) ack 2'], 'CLOSING'],
    ['R 2', [], 'CLOSED'],
    ['R 5', ['A 2(0) ack 2'], 'CLOSING'],
    ['S 2', ['A 2(0) ack 2'], 'CLOSING'],
  ],
  'LAST-ACK': [
    ['A 2 ack 2', [], 'CLOSED'],
    ['A 2 ack 1', [], 'LAST-ACK'],
    ['FA 1 ack 1', ['A 2(0) ack 2'], 'LAST-ACK'],
    ['A 2 ack 3', ['A 2(0) ack 2'], 'LAST-ACK'],
    ['R 2', [], 'CLOSED'],
    ['R 5', ['A 2(0) ack 2'], 'LAST-ACK'],
    ['S 2', ['A 2(0) ack 2'], 'LAST-ACK'],
  ],
  'TIME-WAIT': [
    ['FA 1 ack 2', ['A 2(0) ack 2'], 'TIME-WAIT'],
    ['A 2 ack 2', [], 'TIME-WAIT'],
    ['A 2(10) ack 2', ['A 2(0) ack 2'], 'TIME-WAIT'],
    ['R 2', [], 'TIME-WAIT'],
    ['R 1', [], 'TIME-WAIT'],
    ['S 1', ['A 2(0) ack 2'], 'TIME-WAIT'],
    ['SA 5 ack 2', ['A 2(0) ack 2'], 'TIME-WAIT'],
  ],
};

for (const [state, rows] of Object.entries(TABLES)) {
  for (const [segment, answers, after] of rows) {
    test(`${state}: ${segment} -> ${answers.join(', ') || 'silence'}, ${after}`, () => {
      const script = new TcpScript();
      script.reach(state);
      const c = script.connection;
      assert.deepEqual(script.inject(segment), answers);
      assert.equal(script.queue.state === undefined ? 'CLOSED' : script.state, after);
      assert.equal(c.state === 0, after === 'CLOSED');
      script.finishAll();
    });
  }
}

/** With no connection and no listener (RFC 9293 section 3.10.7.1). */
const CLOSED_ROWS: [string, string[]][] = [
  ['S 0', ['RA 0(0) ack 1']],
  ['S 0(5)', ['RA 0(0) ack 6']],
  ['A 1 ack 77', ['R 77(0)']],
  ['SA 1 ack 77', ['R 77(0)']],
  ['FA 1 ack 77', ['R 77(0)']],
  ['- 1(4)', ['RA 0(0) ack 5']],
  ['F 1', ['RA 0(0) ack 2']],
  ['R 1', []],
  ['RA 1 ack 1', []],
];

for (const [segment, answers] of CLOSED_ROWS) {
  test(`no connection: ${segment} -> ${answers.join(', ') || 'silence'}`, () => {
    const script = new TcpScript();
    assert.deepEqual(script.inject(segment), answers);
    script.end();
  });
  test(`no connection on a shared address: ${segment} -> silence`, () => {
    const script = new TcpScript({
      sharedAddress: true,
      ports: { reserve: (_, port) => port, release() {} },
    });
    assert.deepEqual(script.inject(segment), []);
    script.end();
  });
}

const LISTEN_ROWS: [string, string[]][] = [
  ['S 0', ['SA 0(0) ack 1']],
  ['A 1 ack 77', ['R 77(0)']],
  ['SA 1 ack 77', ['R 77(0)']],
  ['R 1', []],
  ['F 1', ['RA 0(0) ack 2']],
];

for (const [segment, answers] of LISTEN_ROWS) {
  test(`LISTEN: ${segment} -> ${answers.join(', ') || 'silence'}`, () => {
    const script = new TcpScript();
    script.listen();
    assert.deepEqual(script.inject(segment), answers);
    script.finishAll();
  });
}
