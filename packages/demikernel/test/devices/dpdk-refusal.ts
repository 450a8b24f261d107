// Whether DPDK and one of its drivers are installed here.

import { existsSync } from 'node:fs';
import { DPDK_ABI, dpdkLibrary } from '@demikernel/native/dpdk';

const DRIVERS = `/usr/lib/x86_64-linux-gnu/dpdk/pmds-${DPDK_ABI}.0`;

/** Why a driver (`net-tap`) cannot be used, or `undefined`. */
export function dpdkRefusal(driver: string): string | undefined {
  try {
    dpdkLibrary();
  } catch (error) {
    return (error as Error).message;
  }
  const file = `${DRIVERS}/librte_${driver.replaceAll('-', '_')}.so.${DPDK_ABI}`;
  return existsSync(file) ? undefined : `apt-get install librte-${driver}23`;
}
