// Two library OSes with our own stack on the same link, for the conformance suite.

import { type Demikernel, type OpenOptions, open } from '../../src/index.ts';
import type { Pair } from './suite.ts';

/** Beside the addresses that a kernel may have on the link. */
const SERVER_ADDRESS = '10.78.0.2';
const CLIENT_ADDRESS = '10.78.0.3';

/** One end, given its address. */
export type StackEnd = (address: string) => OpenOptions;

/**
 * Opens both, with addresses of their own.
 *
 * @param deviceSlackSlots what a device at rest may keep: rings and receive buffers are served in bursts
 */
export async function openTwoStacks(
  serverEnd: StackEnd,
  clientEnd: StackEnd,
  deviceSlackSlots = 128,
): Promise<Pair> {
  const end = (options: StackEnd, address: string): Promise<Demikernel> =>
    open({ ...options(`${address}/24`), wait: 'interrupt' });
  const server = await end(serverEnd, SERVER_ADDRESS);
  const client = await end(clientEnd, CLIENT_ADDRESS);
  return {
    server,
    client,
    serverAddress: SERVER_ADDRESS,
    clientAddress: CLIENT_ADDRESS,
    deviceSlackSlots,
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
