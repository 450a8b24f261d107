// Who reads a log: queues, which want to know when there is more. How they read: log-queue.ts.

/** A queue that reads the log. */
export interface LogReader {
  /** More is durable, or the log's start has moved. */
  logMoved(): void;
  /** A read is under way. */
  readonly reading: boolean;
  release(): void;
}

export class LogReaders {
  private readonly readers: LogReader[];

  constructor() {
    this.readers = [];
  }

  get count(): number {
    return this.readers.length;
  }

  add(reader: LogReader): void {
    this.readers.push(reader);
  }

  /** A reader whose read is under way releases itself when that has ended. */
  remove(reader: LogReader): void {
    this.readers.splice(this.readers.indexOf(reader), 1);
    if (!reader.reading) reader.release();
  }

  wake(): void {
    for (let i = 0; i < this.readers.length; i++) this.readers[i]!.logMoved();
  }
}
