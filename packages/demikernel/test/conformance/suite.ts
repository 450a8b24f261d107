// The PDPIX conformance suite: one set of behaviours, run on every library OS. A library OS joins by a file with one line.

import { after, before, describe, test } from 'node:test';
import { backPressure } from './back-pressure.ts';
import { cancelAndClose } from './cancel-close.ts';
import { connections } from './connections.ts';
import { datagrams } from './datagrams.ts';
import { memory } from './memory.ts';
import { operators } from './operators.ts';
import { peerDeath } from './peer-death.ts';
import { socketOptions } from './socket-options.ts';
import { type Pair, Stage } from './stage.ts';
import { streams } from './streams.ts';
import { styles } from './styles.ts';
import { type LibraryOsName, UNSUPPORTED } from './support.ts';
import { waiting } from './waiting.ts';

export type { Pair } from './stage.ts';

/** A named behaviour; the text it returns says why it could not be shown. */
export type Behaviour = (stage: Stage) => undefined | string | void | Promise<void>;
export type Behaviours = Record<string, Behaviour>;

const CHAPTERS: Record<string, Behaviours> = {
  connections,
  streams,
  'cancel and close': cancelAndClose,
  'back-pressure': backPressure,
  'peer death': peerDeath,
  datagrams,
  waiting,
  memory,
  'filter, map, merge, queue': operators,
  'coroutines and promises': styles,
  options: socketOptions,
};

/** How to run the suite. */
export interface ConformanceOptions {
  /** Why it cannot run here: every chapter is then skipped by name. */
  unavailable?: string;
  /** Default: the name. */
  title?: string;
  /** Only these chapters. */
  chapters?: readonly string[];
}

/**
 * Runs every behaviour on a library OS. After each one, all operations, queues and slots must be back.
 *
 * @param makePair opens the two ends, or one that reaches itself
 */
export function conformance(
  name: LibraryOsName,
  makePair: () => Promise<Pair>,
  options: ConformanceOptions = {},
): void {
  const { title = name, chapters = Object.keys(CHAPTERS) } = options;
  const unavailable = options.unavailable ?? false;
  for (const chapter of chapters) {
    const behaviours = CHAPTERS[chapter]!;
    const skip = unavailable || (chapter === 'datagrams' && UNSUPPORTED[name].datagrams) || false;
    describe(`${title}: ${chapter}`, { skip }, () => {
      let stage: Stage;
      before(async () => {
        stage = new Stage(name, await makePair());
        // Neighbours find each other, rings fill: the accounts start from a stack at rest.
        stage.disconnect(stage.connect());
        stage.idle();
      });
      after(() => stage?.close());
      for (const [behaviour, run] of Object.entries(behaviours)) {
        test(behaviour, { timeout: 60_000 }, async t => {
          stage.openAccounts();
          try {
            const notShown = await run(stage);
            stage.checkAccounts();
            if (notShown !== undefined) t.skip(notShown);
          } catch (error) {
            stage.clearAway();
            throw error;
          }
        });
      }
    });
  }
  describe(`${title}: the end`, { skip: unavailable }, () => {
    test('shutDown ends everything, once', async () => {
      const stage = new Stage(name, await makePair());
      endOfLibraryOs(stage);
      await stage.close();
    });
  });
}

function endOfLibraryOs(stage: Stage): void {
  const { serverQd } = stage.connect();
  const { server, client } = stage;
  const set = server.waitSet();
  set.add(server.pop(serverQd));
  const alone = server.accept(stage.listen());
  server.shutDown();
  server.shutDown();
  if (set.take() === undefined) throw new Error('the pop was not completed');
  if (server.wait(alone, 0) === undefined) throw new Error('the accept was not completed');
  if (set.take() !== undefined) throw new Error('a token was completed twice');
  if (server.libraryOs.runtime.queues.liveCount !== 0) throw new Error('queues are left');
  client.shutDown();
}
