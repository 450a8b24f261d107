// The segment that a log will go on in: asked of the store, ahead of time when that can be. When the log goes there: log.ts.

import {
  type SegmentStore,
  STORE_ALLOCATE,
  type StoreClient,
  StoreRequest,
} from '../runtime/segment-store.ts';

export interface NextSegmentOwner {
  /** An answer of the store: 0, or why there is no segment. */
  nextSegmentCame(errno: number): void;
}

export class NextSegment implements StoreClient {
  /** The store's number of it, or -1. */
  segment: number;
  /** Its header is durable. */
  named: boolean;
  private readonly store: SegmentStore;
  private readonly owner: NextSegmentOwner;
  private readonly request: StoreRequest;
  /** It has been asked for in advance; on a full device that is not repeated before something is dropped. */
  private askedAhead: boolean;

  constructor(store: SegmentStore, owner: NextSegmentOwner) {
    this.segment = -1;
    this.named = false;
    this.store = store;
    this.owner = owner;
    this.request = new StoreRequest(this);
    this.askedAhead = false;
  }

  /** The store has not answered yet. */
  get busy(): boolean {
    return this.request.busy;
  }

  ask(): void {
    if (!this.request.busy) this.store.submit(this.request.ask(STORE_ALLOCATE));
  }

  /** Asks before anybody needs it, unless that has been tried. */
  askAhead(): void {
    if (this.segment >= 0 || this.askedAhead || this.request.busy) return;
    this.askedAhead = true;
    this.ask();
  }

  /** Something has been dropped: the store may have room again. */
  roomMade(): void {
    this.askedAhead = false;
  }

  storeDone(request: StoreRequest): void {
    if (request.errno === 0) this.segment = request.segment;
    this.owner.nextSegmentCame(request.errno);
  }

  /** The segment, which is the log's last from here on; another one may be asked for. */
  take(): number {
    const { segment } = this;
    this.segment = -1;
    this.named = false;
    this.askedAhead = false;
    return segment;
  }

  /** Gives it back to the store, unless its name says that it is the log's. */
  release(): void {
    if (this.segment >= 0 && !this.named) this.store.free(this.segment);
    this.segment = -1;
  }
}
