// How many frames a second one core carries through the switch: frames made in the kernel (BPF_PROG_TEST_RUN, live) leave
// the client's end, and are counted and dropped at the server's end. With the switch's program in the middle, and with
// one that only sends on: the difference is the switch's own work. All of it happens on the caller's core.

import {
  Assembler,
  countPath,
  DevMap,
  HELPER_REDIRECT_MAP,
  type MapReference,
  PerCpuArray,
  Program,
  R0,
  R1,
  R2,
  R3,
  R6,
  XDP_DROP,
  XDP_TX,
  XdpLink,
} from '@demikernel/ebpf';
import { getAffinity, linkIndex, runInNamespace, setAffinity } from '@demikernel/native/kernel';
import type { SwitchPlace } from './place.ts';

/** What one measurement has shown. */
export interface Forwarded {
  frames: number;
  arrived: number;
  elapsedUs: number;
}

/** Sends frames of one kind from the client's end of the switch's wire, and counts them at the server's. */
export class FrameSource {
  readonly #place: SwitchPlace;
  readonly #counter: PerCpuArray;
  readonly #generator: Program;
  readonly #sink: XdpLink;
  readonly #frame: Uint8Array;

  /** @param frame a segment to the service, as a client would send it */
  constructor(place: SwitchPlace, frame: Uint8Array) {
    this.#place = place;
    this.#frame = frame;
    this.#counter = new PerCpuArray({ name: 'demi_arrived', maxEntries: 1, valueBytes: 8 });
    this.#generator = new Program({
      name: 'demi_source',
      code: new Assembler().mov(R0, XDP_TX).exit().assemble(),
    });
    const a = new Assembler();
    a.mov(R6, 0);
    countPath(a, this.#counter, R6);
    const sink = new Program({ name: 'demi_sink', code: a.mov(R0, XDP_DROP).exit().assemble() });
    this.#sink = runInNamespace(
      place.server,
      () => new XdpLink({ program: sink, ifindex: linkIndex('s1'), mode: 'native' }),
    );
    sink.close();
  }

  /** Sends `frames`, on one processor. */
  send(frames: number, processor: number): Forwarded {
    const home = getAffinity();
    setAffinity([processor]);
    try {
      return runInNamespace(this.#place.client, () => {
        const ingress = { ifindex: linkIndex('s0'), queue: 0 };
        const before = this.#counter.sum(0);
        const start = performance.now();
        this.#generator.testRun(this.#frame, { repeat: frames, ingress, liveFrames: true });
        const elapsedUs = (performance.now() - start) * 1000;
        return { frames, arrived: this.#counter.sum(0) - before, elapsedUs };
      });
    } finally {
      setAffinity(home);
    }
  }

  close(): void {
    this.#sink.close();
    this.#generator.close();
    this.#counter.close();
  }
}

/** In the switch's place: whatever comes in by `ms0` goes out by `ms1`. */
export class PlainForwarder {
  readonly #devices: DevMap;
  readonly #link: XdpLink;
  readonly #other: XdpLink;

  constructor(place: SwitchPlace) {
    this.#devices = new DevMap({ name: 'demi_plain', maxEntries: 1 });
    const program = new Program({ name: 'demi_plain', code: sendOn(this.#devices) });
    [this.#link, this.#other] = runInNamespace(place.middle, () => {
      this.#devices.update(0, linkIndex('ms1'));
      const attach = (name: string): XdpLink =>
        new XdpLink({ program, ifindex: linkIndex(name), mode: 'native' });
      return [attach('ms0'), attach('ms1')];
    });
    program.close();
  }

  close(): void {
    this.#link.close();
    this.#other.close();
    this.#devices.close();
  }
}

function sendOn(devices: MapReference): Uint8Array {
  return new Assembler()
    .mapFd(R1, devices)
    .mov(R2, 0)
    .mov(R3, XDP_DROP)
    .call(HELPER_REDIRECT_MAP)
    .exit()
    .assemble().bytes;
}
