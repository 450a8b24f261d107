// To try by hand, as root: a fleet of three servers in namespaces, restarted one after the other whenever Enter is pressed. Argument: kv
// or http.

import { createInterface } from 'node:readline';
import * as T from '../switch/testbed.ts';
import { PORT, RollingFleet } from './rolling-fleet.ts';

const SERVICES: Record<string, readonly string[]> = {
  kv: ['apps/dist/src/kv.js', 'server'],
  http: ['apps/dist/src/http.js'],
};

const kind = process.argv[2] ?? 'kv';
const service = SERVICES[kind];
const refusal = service === undefined ? 'want kv or http' : T.testbedRefusal();
if (service === undefined || refusal !== undefined) {
  process.stderr.write(`${refusal}\n`);
  process.exit(1);
}
const fleet = new RollingFleet(service);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
// Also Ctrl-C: the keyboard's signal reaches the whole group, and servers that drain have nowhere to go.
const ended = new AbortController();
const lines = createInterface({ input: process.stdin });
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => lines.close());
lines.once('close', () => ended.abort());
try {
  await fleet.start();
  const ask =
    kind === 'kv'
      ? `redis-cli -h ${T.VIRTUAL_ADDRESS} -p ${PORT} -r -1 -i 0.1 client id`
      : `wrk -c 24 -t 1 -d 30s http://${T.VIRTUAL_ADDRESS}:${PORT}/1k`;
  say(`Three servers at ${T.VIRTUAL_ADDRESS}:${PORT}. In another terminal, for example:`);
  say(`  ip netns exec ${fleet.bed.client} ${ask}`);
  say(`  ip netns exec ${fleet.bed.switch} npx demikernel capybara top --socket ${fleet.path}`);
  say('Enter restarts them one by one; the end of the input ends everything.');
  for await (const _ of lines) {
    for (const id of fleet.ids) {
      if (ended.signal.aborted) break;
      const left = await fleet.stopBackend(id);
      await fleet.startBackend(id);
      say(`server ${id}: ${left} connections left, stopped, started again`);
    }
  }
} finally {
  fleet.close();
}
