// Work that must not run inside the completion that caused it: it waits for the end of the receive phase.

/** Something that wants to run once, later in the turn. */
export interface DeferredTask {
  runDeferred(): void;
}

/** First in, first out; tasks scheduled while it runs wait for the next turn. */
export class DeferredWork {
  private tasks: DeferredTask[];
  private running: DeferredTask[];

  constructor() {
    this.tasks = [];
    this.running = [];
  }

  schedule(task: DeferredTask): void {
    this.tasks.push(task);
  }

  /** Whether something waits to run. */
  get pending(): boolean {
    return this.tasks.length > 0;
  }

  /** Runs what was scheduled before this call; returns how many tasks that were. */
  run(): number {
    if (this.tasks.length === 0) return 0;
    const tasks = this.tasks;
    this.tasks = this.running;
    this.running = tasks;
    let count = 0;
    try {
      while (count < tasks.length) tasks[count++]!.runDeferred();
    } finally {
      // A task that threw is over; the ones behind it run in the next turn, before what they scheduled.
      if (count < tasks.length) this.tasks.unshift(...tasks.slice(count));
      tasks.length = 0;
    }
    return count;
  }
}
