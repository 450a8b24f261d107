// A log service: receives records over the network, appends them durably, acknowledges each; and reads them back. One wait
// set over network and storage. Records go from the one to the other by reference.

import {
  type AddressLike,
  type Demikernel,
  EINVAL,
  OP_ACCEPT,
  OP_OPEN,
  OP_POP,
  type QueueToken,
  type Result,
  ScatterGatherArray,
  type SocketAddress,
  type WaitSet,
} from 'demikernel';
import { APPEND, FAILED, FrameWriter, READ, RECORD } from './frames.ts';
import { RecordStream } from './record-stream.ts';

/** Appends of one connection that may be under way; then it is not read from. */
const APPENDS_UNDER_WAY = 256;
/** Answers that may wait to be sent; then nothing is read for the connection. */
const ANSWER_BYTES = 256 << 10;

/** Of the memory's slots: what parts of frames may occupy. */
const HELD_SHARE = 0.25;

export interface LogServerOptions {
  address: AddressLike;
  /** Name of the log; made when it is missing. */
  log: string;
}

/** One connection, its own cursor on the log, and what is under way for it. */
class LogClient {
  readonly socketQd: number;
  logQd: number;
  readonly frames: RecordStream;
  /** Slots that its stream held when that was counted last. */
  heldSlices: number;
  readonly answers: FrameWriter;
  appending: number;
  /** Records still wanted by a READ. */
  wanted: number;
  receiving: boolean;
  sending: boolean;
  reading: boolean;
  closing: boolean;

  constructor(socketQd: number) {
    this.socketQd = socketQd;
    this.logQd = -1;
    this.frames = new RecordStream();
    this.heldSlices = 0;
    this.answers = new FrameWriter();
    this.appending = 0;
    this.wanted = 0;
    this.receiving = false;
    this.sending = false;
    this.reading = false;
    this.closing = false;
  }
}

export class LogServer {
  readonly os: Demikernel;
  /** Records appended and acknowledged. */
  appended: number;
  private readonly log: string;
  /** In all streams. */
  private heldSlices: number;
  private readonly listeningQd: number;
  private readonly set: WaitSet;
  /** By the descriptor of the socket, and by that of the log. */
  private readonly clients: Map<number, LogClient>;
  private readonly opening: Map<QueueToken, LogClient>;

  constructor(os: Demikernel, options: LogServerOptions) {
    this.os = os;
    this.appended = 0;
    this.log = options.log;
    this.heldSlices = 0;
    this.clients = new Map();
    this.opening = new Map();
    this.set = os.waitSet();
    this.listeningQd = os.socket('stream');
    os.bind(this.listeningQd, options.address);
    os.listen(this.listeningQd);
    this.set.add(os.accept(this.listeningQd));
  }

  get address(): SocketAddress {
    return this.os.getsockname(this.listeningQd);
  }

  /** Serves until the process is asked to stop. Owns the thread. */
  serve(): void {
    while (!this.os.stopping) {
      const result = this.set.wait();
      if (result !== undefined) this.handle(result);
    }
  }

  /** Handles what is ready without waiting; returns how much that was. */
  serveReady(): number {
    let handled = 0;
    for (let result = this.set.take(); result !== undefined; result = this.set.take()) {
      this.handle(result);
      handled++;
    }
    return handled;
  }

  private handle(result: Result): void {
    const { opcode, qd } = result;
    if (opcode === OP_ACCEPT) this.accepted(result);
    else if (opcode === OP_OPEN) this.opened(result);
    else {
      const client = this.clients.get(qd);
      // Closed meanwhile.
      if (client === undefined) result.array?.free();
      else if (opcode === OP_POP) this.popped(client, result);
      else this.pushed(client, result);
    }
  }

  private accepted({ acceptedQd, errno }: Result): void {
    if (errno === 0) {
      this.os.setsockopt(acceptedQd, 'noDelay', true);
      const client = new LogClient(acceptedQd);
      this.clients.set(acceptedQd, client);
      const token = this.os.open(this.log, { mode: 'either' });
      this.opening.set(token, client);
      this.set.add(token);
    }
    this.set.add(this.os.accept(this.listeningQd));
  }

  private opened({ acceptedQd, errno, token }: Result): void {
    const client = this.opening.get(token)!;
    this.opening.delete(token);
    if (errno !== 0) {
      this.fail(client, errno);
      return;
    }
    client.logQd = acceptedQd;
    this.clients.set(acceptedQd, client);
    this.goOn(client);
  }

  private popped(client: LogClient, { array, errno, position, qd }: Result): void {
    if (qd === client.socketQd) client.receiving = false;
    else client.reading = false;
    if (errno !== 0 || array === undefined) {
      if (qd === client.socketQd) this.close(client);
      else this.fail(client, errno);
      return;
    }
    const ended = array.count === 0;
    if (qd === client.logQd) {
      client.wanted--;
      client.answers.positioned(RECORD, position, array.toBytes());
    } else client.frames.add(array);
    array.free();
    if (ended && qd === client.socketQd) this.close(client);
    else this.goOn(client);
  }

  private pushed(client: LogClient, { errno, position, qd }: Result): void {
    if (qd === client.socketQd) {
      client.sending = false;
      if (errno !== 0 || (client.closing && client.answers.lengthBytes === 0)) {
        this.close(client);
        return;
      }
    } else {
      client.appending--;
      if (errno !== 0) {
        this.fail(client, errno);
        return;
      }
      this.appended++;
      client.answers.positioned(APPEND, position, new Uint8Array(0));
    }
    this.goOn(client);
  }

  /** Does what can be done for a connection: its requests, then its answers, then asks for more. */
  private goOn(client: LogClient): void {
    const { answers, frames } = client;
    const room = (): boolean =>
      client.appending < APPENDS_UNDER_WAY && answers.lengthBytes < ANSWER_BYTES && !client.closing;
    while (room() && frames.next()) this.request(client, frames);
    this.countHeld(client);
    if (frames.broken) {
      this.close(client);
      return;
    }
    if (client.wanted > 0 && !client.reading && room()) {
      client.reading = true;
      this.set.add(this.os.pop(client.logQd));
    }
    this.send(client);
    if (!client.receiving && room()) {
      client.receiving = true;
      this.set.add(this.os.pop(client.socketQd));
    }
  }

  /** What waits for the rest of a frame must not leave others without memory to receive into. */
  private countHeld(client: LogClient): void {
    const { frames } = client;
    const limit = this.os.libraryOs.pool.slotCount * HELD_SHARE;
    if (this.heldSlices + frames.heldSlices - client.heldSlices > limit) frames.copyHeld();
    this.heldSlices += frames.heldSlices - client.heldSlices;
    client.heldSlices = frames.heldSlices;
  }

  private request(client: LogClient, frames: RecordStream): void {
    if (frames.kind === APPEND) {
      client.appending++;
      const payload = frames.payload();
      this.set.add(this.os.push(client.logQd, payload));
      if (payload instanceof ScatterGatherArray) payload.free();
      return;
    }
    const body = frames.body();
    if (frames.kind === READ && body.length === 12 && client.wanted === 0) {
      const view = new DataView(body.buffer, body.byteOffset);
      try {
        this.os.seek(client.logQd, view.getFloat64(0, true));
        client.wanted = view.getUint32(8, true);
      } catch {
        this.fail(client, EINVAL);
      }
    } else this.fail(client, EINVAL);
  }

  private send(client: LogClient): void {
    if (client.sending || client.answers.lengthBytes === 0) return;
    client.sending = true;
    this.set.add(this.os.push(client.socketQd, client.answers.take()));
  }

  /** Says why, and closes when that is sent. */
  private fail(client: LogClient, errno: number): void {
    if (client.closing) return;
    client.closing = true;
    client.wanted = 0;
    const body = new Uint8Array(4);
    new DataView(body.buffer).setUint32(0, errno, true);
    client.answers.frame(FAILED, body);
    this.send(client);
  }

  private close(client: LogClient): void {
    if (!this.clients.delete(client.socketQd)) return;
    client.frames.release();
    this.heldSlices -= client.heldSlices;
    this.os.close(client.socketQd);
    if (client.logQd < 0) return;
    this.clients.delete(client.logQd);
    this.os.close(client.logQd);
  }
}
