// The conformance suite on Catmem: two library OSes that share memory, the suite again with messages copied on arrival, and
// the streams on one that talks to itself.

import { open } from '../../src/index.ts';
import { conformance, type Pair } from './suite.ts';

const ADDRESS = '127.0.0.1';

async function sharedPair(receive: 'reference' | 'copy'): Promise<Pair> {
  const server = await open({ libos: 'catmem', wait: 'interrupt', receive });
  const client = await open({ libos: 'catmem', wait: 'interrupt', receive });
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

const STREAM_CHAPTERS = [
  'connections',
  'streams',
  'cancel and close',
  'back-pressure',
  'peer death',
  'memory',
  'coroutines and promises',
];

conformance('catmem', () => sharedPair('reference'));
conformance('catmem', () => sharedPair('copy'), { title: 'catmem, copied', chapters: STREAM_CHAPTERS });
conformance(
  'catmem',
  async () => {
    const os = await open({ libos: 'catmem', wait: 'interrupt' });
    return {
      server: os,
      client: os,
      serverAddress: ADDRESS,
      clientAddress: ADDRESS,
      drive: () => void os.poll(),
      close: () => os.shutDown(),
    };
  },
  { title: 'catmem, with itself', chapters: STREAM_CHAPTERS },
);
