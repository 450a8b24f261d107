// The controller over HTTP: what is told, what is ordered, and by whom.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { DemiError } from '@demikernel/memory';
import { ask } from '../../src/cli/verb.ts';
import { controlServer, listenAtPath, type Operated } from '../../src/control/interface.ts';
import type { FleetStatus } from '../../src/control/status.ts';

const folder = mkdtempSync(join(tmpdir(), 'demi-control-'));
after(() => rmSync(folder, { recursive: true }));

function operated(): Operated & { said: string[] } {
  const said: string[] = [];
  return {
    said,
    status: () => ({ connections: 5 }) as FleetStatus,
    metrics: () => '# TYPE a gauge\na 1\n',
    drain: (backend, drained) => {
      if (backend === 200) throw new DemiError('ERR_DEMI_ARGUMENT', 'there is no backend 200');
      said.push(`${drained ? 'drain' : 'undrain'} ${backend}`);
    },
    move: (client, to) => said.push(`move ${client} ${to}`),
    remove: backend => said.push(`remove ${backend}`),
  };
}

describe('interface', () => {
  test('orders by the UNIX socket', async () => {
    const path = join(folder, 'orders');
    const fleet = operated();
    const server = controlServer(fleet, true);
    await listenAtPath(server, path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await ask(path, 'POST', '/drain?backend=3');
    await ask(path, 'POST', '/undrain?backend=3');
    await ask(path, 'POST', '/remove?backend=4');
    await ask(path, 'POST', `/move?client=${encodeURIComponent('10.0.0.1:5')}&to=2`);
    assert.deepEqual(fleet.said, ['drain 3', 'undrain 3', 'remove 4', 'move 10.0.0.1:5 2']);
    await assert.rejects(ask(path, 'POST', '/drain?backend=200'), /there is no backend 200/);
    await assert.rejects(ask(path, 'POST', '/drain?backend=../x'), /'..\/x' is no backend/);
    await assert.rejects(ask(path, 'GET', '/drain?backend=3'), /no \/drain here/);
    await assert.rejects(ask(path, 'POST', '/constructor'), /no \/constructor here/);
    assert.deepEqual(JSON.parse(await ask(path, 'GET', '/status.json')), { connections: 5 });
    server.close();
    await once(server, 'close');
    await assert.rejects(ask(path, 'GET', '/'), { code: 'ERR_DEMI_PEER' });
  });

  test('on an address it only tells', async () => {
    const fleet = operated();
    const server = controlServer(fleet, false).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const page = await fetch(url);
    assert.match(await page.text(), /<title>Capybara<\/title>/);
    assert.match(page.headers.get('content-security-policy')!, /default-src 'none'/);
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^a 1$/m);
    const refused = await fetch(`${url}/drain?backend=1`, { method: 'POST' });
    assert.equal(refused.status, 403);
    assert.equal((await fetch(`${url}/nothing`)).status, 404);
    assert.equal((await fetch(url, { method: 'DELETE' })).status, 404);
    assert.deepEqual(fleet.said, []);
    server.close();
    server.closeAllConnections();
  });

  test('a living controller’s path is not taken, a dead one’s is, a file never', async () => {
    const path = join(folder, 'taken');
    const first = controlServer(operated(), true);
    await listenAtPath(first, path);
    await assert.rejects(listenAtPath(controlServer(operated(), true), path), /another controller/);
    first.close();
    const precious = join(folder, 'precious');
    writeFileSync(precious, 'x');
    await assert.rejects(listenAtPath(controlServer(operated(), true), precious), /no socket/);
    assert.ok(existsSync(precious));
  });
});
