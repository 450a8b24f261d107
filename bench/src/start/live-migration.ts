// A live connection that moves between two servers while its client talks, in front of the reader's eyes: our stack on two backends,
// the XDP switch, an unmodified client; or, without the privilege for these, all on a wire in this process. The parts are those of
// `bench -- migration`.

import { setImmediate } from 'node:timers/promises';
import { coroutines } from 'demikernel';
import { type Client, nowUs, type Site, StackFleet } from '../migration/stack-fleet.ts';
import { WireSite } from '../migration/wire-site.ts';
import { XdpSite } from '../migration/xdp-site.ts';

const MOVES = 200;
const LIMIT_MS = 10_000;
const UNDER_WAY_BYTES = 20_000;

/** Where it happens, and how that is told. */
interface Stage {
  site: () => Site;
  title: string;
  who: string;
}

const ON_INTERFACES: Stage = {
  site: () => new XdpSite(),
  title: 'Live migration',
  who: 'one TCP connection of an unmodified client was moved %d times between two servers behind the XDP switch',
};
const IN_PROCESS: Stage = {
  site: () => new WireSite(),
  title: 'Migration on a wire in this process',
  who: 'one TCP connection was moved %d times between two stacks of ours behind the switch’s model, all in one thread,',
};

/**
 * Runs it, and says what happened.
 *
 * @param permitted whether namespaces and interfaces may be made; without them it happens on a wire in this process
 * @param onExit registers what is to be undone however the program ends
 */
export async function moveLive(
  permitted: boolean,
  onExit: (undo: () => void) => () => void,
): Promise<string> {
  const stage = permitted ? ON_INTERFACES : IN_PROCESS;
  const fleet = await StackFleet.open(
    stage.site(),
    ({ agent, os }, qd) => {
      const co = coroutines(os);
      co.spawn(function* () {
        for (;;) {
          const { array, errno } = yield* co.pop(qd);
          if (errno !== 0 || array === undefined) break; // it has left
          yield* co.push(qd, array);
          array.free();
        }
        agent.forget(qd);
      });
    },
    onExit,
  );
  let client: Client | undefined;
  try {
    client = fleet.site.connect();
    return describe(stage, await talk(fleet, client));
  } finally {
    client?.close();
    fleet.close();
  }
}

interface Told {
  moves: number;
  bytes: number;
  /** µs since the PREPARE, of the move in the middle of all by its length. */
  timeline: [number, string][];
}

async function talk(fleet: StackFleet, client: Client): Promise<Told> {
  const limit = performance.now() + LIMIT_MS;
  const lines: [number, string][][] = [];
  let moving = false;
  while (lines.length < MOVES || client.received < client.sent) {
    if (performance.now() > limit) throw new Error(`${lines.length} moves in ${LIMIT_MS} ms`);
    fleet.turn();
    if (client.sent - client.received < UNDER_WAY_BYTES && lines.length < MOVES) client.write(1000);
    client.read();
    if (fleet.owner < 0 || moving || lines.length >= MOVES || client.received === 0) continue;
    // Ctrl-C is heard between moves.
    await setImmediate();
    const from = fleet.owner;
    moving = fleet.move(outcome => {
      moving = false;
      if (outcome !== 'moved') return;
      const { marks } = fleet;
      const since = (at: number): number => at - marks.prepareSent;
      lines.push([
        [0, `server ${from} asks server ${1 - from} to take the connection`],
        [
          since(marks.ackReceived),
          `the switch sends its packets to server ${1 - from} from here on; server ${from} is silent`,
        ],
        [since(marks.exported), 'its whole state has been read out'],
        [since(marks.stateSent), 'sealed and sent'],
        [since(marks.imported), `put together at server ${1 - from}, which claims it`],
        [since(marks.committed), `the switch says yes: server ${1 - from} goes on`],
        [since(nowUs()), `server ${from} hears of it and forgets`],
      ]);
    });
  }
  lines.sort((a, b) => a.at(-1)![0] - b.at(-1)![0]);
  return { moves: lines.length, bytes: client.received, timeline: lines[lines.length >> 1]! };
}

function describe({ title, who }: Stage, { moves, bytes, timeline }: Told): string {
  const lines = timeline.map(([us, what]) => `${us.toFixed(0).padStart(6)} us  ${what}`);
  return (
    `${title}: ${who.replace('%d', `${moves}`)} while ${bytes} bytes went there and back; every byte was checked, none was lost or ` +
    `repeated. A move in the middle of all:\n\n${lines.join('\n')}`
  );
}
