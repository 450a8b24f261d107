// The conformance suite on Catmint over soft-RoCE: two library OSes in one process, each with a device context of its own.

import { open } from '../../src/index.ts';
import { conformance, type Pair } from './suite.ts';

const ADDRESS = '10.213.0.1';

async function pair(rendezvousBytes: number): Promise<Pair> {
  const options = { libos: 'catmint', wait: 'interrupt', rendezvousBytes } as const;
  const server = await open(options);
  const client = await open(options);
  return {
    server,
    client,
    serverAddress: ADDRESS,
    clientAddress: ADDRESS,
    drive: () => {
      server.poll();
      client.poll();
    },
    close: () => {
      server.shutDown();
      client.shutDown();
    },
  };
}

conformance('catmint', () => pair(32768));
conformance('catmint', () => pair(Number.POSITIVE_INFINITY), {
  title: 'catmint, nothing read',
  chapters: ['streams', 'back-pressure'],
});
