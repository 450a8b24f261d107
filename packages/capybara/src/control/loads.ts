// How much each connection and each backend does: rates from the counters that the switch's program keeps per flow.

import type { Flow, FlowTable } from '../switch/index.ts';

/** A connection, measured. */
export interface MeasuredFlow {
  /** Its place in the flow table: good as long as the connection lives. */
  slot: number;
  flow: Flow;
  /** Packets from the client per second. */
  load: number;
}

/** Rates follow the counters with this time constant. */
const SMOOTHING_MS = 200;

/** Measures the flows of one switch, a walk at a time. */
export class LoadMeter {
  readonly #flows: FlowTable;
  readonly #packets: Float64Array;
  readonly #rate: Float64Array;
  /** Who is in each slot: client's address and ports, mixed. */
  readonly #who: Int32Array;
  #lastMs: number | undefined;

  constructor(flows: FlowTable) {
    this.#flows = flows;
    this.#packets = new Float64Array(flows.capacity);
    this.#rate = new Float64Array(flows.capacity);
    this.#who = new Int32Array(flows.capacity);
    this.#lastMs = undefined;
  }

  /** Walks the table. Rates are of the time since the last walk; a flow's first one is 0. */
  measure(nowMs: number): MeasuredFlow[] {
    const elapsedMs = this.#lastMs === undefined ? 0 : nowMs - this.#lastMs;
    const part = 1 - Math.exp(-elapsedMs / SMOOTHING_MS);
    this.#lastMs = nowMs;
    const found: MeasuredFlow[] = [];
    this.#flows.forEach((flow, slot) => {
      const who =
        (Math.imul(flow.clientAddress, 0x9e3779b1) ^ (flow.clientPort << 16) ^ flow.virtualPort) | 0;
      if (this.#who[slot] !== who || flow.packets < this.#packets[slot]!) {
        this.#who[slot] = who;
        this.#rate[slot] = 0;
      } else if (elapsedMs > 0) {
        const now = ((flow.packets - this.#packets[slot]!) * 1000) / elapsedMs;
        this.#rate[slot]! += (now - this.#rate[slot]!) * part;
      }
      this.#packets[slot] = flow.packets;
      found.push({ slot, flow, load: this.#rate[slot]! });
    });
    return found;
  }
}
