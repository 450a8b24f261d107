// The services of apps/ on Catpowder, as a user would start them: what unmodified programs are pointed at.

import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { type ChildProgram, startProgram } from './child-program.ts';

const APPS = new URL('../../../../../apps/dist/src/', import.meta.url);

/** Flags that give a service an address of its own. */
export const OWN_ADDRESS: readonly string[] = ['--address', `${NEAR_ADDRESS}/24`];

/** Starts an application of apps/ on Catpowder and waits for its first line. */
export async function startApp(
  namespace: string,
  app: string,
  args: readonly string[],
  catpowder: readonly string[] = OWN_ADDRESS,
): Promise<ChildProgram> {
  const program = launchApp(namespace, app, args, catpowder);
  await program.line();
  return program;
}

/** Starts an application of apps/ on Catpowder. */
export function launchApp(
  namespace: string,
  app: string,
  args: readonly string[],
  catpowder: readonly string[] = OWN_ADDRESS,
): ChildProgram {
  const path = fileURLToPath(new URL(`${app}.js`, APPS));
  const flags = ['--libos', 'catpowder', '--interface', NEAR_DEVICE, '--device', 'af-xdp', ...catpowder];
  const profiling = (process.env['DEMIKERNEL_TEST_NODE_FLAGS'] ?? '').split(' ').filter(flag => flag !== '');
  return startProgram(namespace, process.execPath, [...profiling, path, ...args, ...flags]);
}

/** A veth pair, or a skipped test. */
export function pairOrSkip(
  t: TestContext,
  options?: Parameters<typeof VethPair.create>[0],
): VethPair | undefined {
  if (!existsSync(new URL('http.js', APPS))) {
    t.skip('the applications are not built');
    return undefined;
  }
  const pair = VethPair.create(options);
  if (typeof pair !== 'string') return pair;
  t.skip(pair);
  return undefined;
}
