// The conformance suite on Catcollar: one library OS that reaches itself over the loopback interface. Runs alone.

import { open } from '../../src/index.ts';
import { conformance } from './suite.ts';

async function refusal(): Promise<string | undefined> {
  try {
    (await open({ libos: 'catcollar' })).shutDown();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

conformance(
  'catcollar',
  async () => {
    const os = await open({ libos: 'catcollar', wait: 'interrupt' });
    return {
      server: os,
      client: os,
      serverAddress: '127.0.0.1',
      clientAddress: '127.0.0.1',
      drive: () => void os.poll(),
      close: () => os.shutDown(),
    };
  },
  { unavailable: await refusal() },
);
