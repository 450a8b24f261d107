// demikernel capybara top: the fleet, again and again.

import { parseArgs } from 'node:util';
import { fleetText } from './status.ts';
import { askStatus, SOCKET_OPTION, UsageError, type Verb } from './verb.ts';

export const top: Verb = {
  name: 'top',
  summary: 'backends, load and migrations, live',
  help: `Usage: demikernel capybara top [--interval SECONDS] [--count N] [--socket PATH]

  --interval SECONDS  between two looks (default 1)
  --count N           end after N looks (default: until Ctrl-C)
`,
  async run(args): Promise<number> {
    const { values } = parseArgs({
      args,
      options: {
        ...SOCKET_OPTION,
        interval: { type: 'string', default: '1' },
        count: { type: 'string', default: 'Infinity' },
      },
    });
    const [intervalMs, count] = [Number(values.interval) * 1000, Number(values.count)];
    if (!(intervalMs >= 100)) throw new UsageError(`--interval ${values.interval}: want 0.1 or more`);
    if (!(count >= 1)) throw new UsageError(`--count ${values.count}: want 1 or more`);
    const stop = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
    for (let look = 1; ; look++) {
      const text = fleetText(await askStatus(values.socket));
      // Cursor home, then clear to the end: no flicker. A pipe gets plain text.
      process.stdout.write(process.stdout.isTTY ? `\u001b[H\u001b[J${text}` : `${text}\n`);
      if (look >= count || stop.signal.aborted) return 0;
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, intervalMs);
        stop.signal.addEventListener('abort', () => {
          clearTimeout(timer);
          resolve();
        });
      });
      if (stop.signal.aborted) return 0;
    }
  },
};
