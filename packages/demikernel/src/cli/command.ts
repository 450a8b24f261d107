// What a subcommand is, and how it is told to stop.

/** One subcommand of `demikernel`. */
export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** Text of `--help`. */
  help: string;
  /** It has commands of its own, and `--help` behind one of them is theirs. */
  hasVerbs?: boolean;
  /** Runs with the arguments behind the name; returns the exit status. */
  run(args: string[]): Promise<number>;
}

/** Wrong usage: the message and the way to the help go to standard error, the exit status is 2. */
export class UsageError extends Error {}

/** Resolves on SIGINT, SIGTERM or after `ms`; `true` when it was a signal. For commands that repeat something. */
export function pause(ms: number, stop: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve(stop.aborted);
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener('abort', end);
    if (stop.aborted) end();
  });
}

/** A signal that aborts on SIGINT and SIGTERM. */
export function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}
