// Which kernel modules the initial file system must carry, in the order of loading: modules.dep, as depmod writes it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `virtio_pci` and `virtio-pci` are one module. */
function moduleName(path: string): string {
  return path.replace(/^.*\//, '').replace(/\.ko$/, '').replaceAll('-', '_');
}

/** Module names to their path and the paths they depend on, each list in the order in which depmod gives it. */
export function parseDependencies(text: string): Map<string, { path: string; needs: string[] }> {
  const found = new Map<string, { path: string; needs: string[] }>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const path = line.slice(0, colon);
    found.set(moduleName(path), {
      path,
      needs: line
        .slice(colon + 1)
        .split(' ')
        .filter(Boolean),
    });
  }
  return found;
}

/**
 * Paths of the modules and all they need, relative to the modules' folder, each after what it needs. A module that is
 * not there is taken for one built into the kernel.
 */
export function modulesInOrder(folder: string, wanted: readonly string[]): string[] {
  const known = parseDependencies(readFileSync(join(folder, 'modules.dep'), 'utf8'));
  const order: string[] = [];
  const visit = (name: string): void => {
    const module = known.get(name.replaceAll('-', '_'));
    if (module === undefined || order.includes(module.path)) return;
    for (const need of module.needs) visit(moduleName(need));
    if (!order.includes(module.path)) order.push(module.path);
  };
  for (const name of wanted) visit(name);
  return order;
}
