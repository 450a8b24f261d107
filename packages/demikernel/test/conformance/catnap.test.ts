// The conformance suite on Catnap: one library OS that reaches itself over the loopback interface. Runs alone.

import { open } from '../../src/index.ts';
import { conformance } from './suite.ts';

conformance('catnap', async () => {
  const os = await open({ libos: 'catnap', wait: 'interrupt' });
  return {
    server: os,
    client: os,
    serverAddress: '127.0.0.1',
    clientAddress: '127.0.0.1',
    drive: () => void os.poll(),
    close: () => os.shutDown(),
  };
});
