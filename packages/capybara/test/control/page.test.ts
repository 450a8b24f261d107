// The controller's page in a browser: what it draws of a living controller, what becomes of it when the controller goes and comes
// back, and what hostile text in it can do (nothing).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { requirePeer } from '@demikernel/lab';
import { type Browser, chromium, type Page } from 'playwright-core';
import { Controller } from '../../src/control/controller.ts';
import { controlServer } from '../../src/control/interface.ts';
import { type FleetStatus, statusOf } from '../../src/control/status.ts';
import { FlowTable, SwitchModel, SwitchTables } from '../../src/switch/index.ts';
import { FrameWriter } from '../switch/frames.ts';

const VIRTUAL = 0x0a000064;
const SYN = 2;
const ACK = 16;
const BACKENDS = [0, 1, 2];
const CONNECTIONS = 24;
const TICK_MS = 20;
const WIDTH = 1000;
/** For one thing to be seen: the page asks twice a second. */
const PATIENCE_MS = 4000;

/** A real controller over a model of the switch, in real time: connections send, and go where they are ordered. */
class LivingFleet {
  readonly tables: SwitchTables;
  readonly flows: FlowTable;
  readonly controller: Controller;
  private readonly model: SwitchModel;
  private readonly writer: FrameWriter;
  private readonly ticking: NodeJS.Timeout;
  private sequence: number;

  constructor() {
    this.tables = new SwitchTables({ buckets: 256, cpus: 1 });
    this.tables.setSecrets(new Uint8Array(16).fill(1), new Uint8Array(16).fill(2));
    for (const port of [0, 1]) this.tables.setPort(port, Uint8Array.of(2, 0, 0, 0, 0, 0xa0 + port));
    this.tables.addService(VIRTUAL, 80);
    this.tables.policy = 'roundRobin';
    this.model = new SwitchModel({ tables: this.tables, roles: ['client', 'backend'] });
    this.flows = new FlowTable(this.tables);
    this.writer = new FrameWriter();
    this.sequence = 0;
    this.controller = new Controller({
      controlled: this,
      policy: { proactive: false },
      placeOf: () => ({ port: 1 }),
      // The owner does as it is told, a while later.
      order: (flow, _owner, target) =>
        void setTimeout(
          () => this.flows.claimExisting([{ ...flow, owner: target, epoch: flow.epoch + 1 }]),
          100 + 10 * (flow.clientPort % 20),
        ).unref(),
    });
    this.beat();
    for (let i = 0; i < CONNECTIONS; i++) this.packets(5000 + i, 1, SYN);
    this.ticking = setInterval(() => this.tick(), TICK_MS);
  }

  close(): void {
    clearInterval(this.ticking);
  }

  status(): FleetStatus {
    return statusOf(this.controller, this.tables.readCounters(), false, performance.now());
  }

  private tick(): void {
    this.tables.nowMs = performance.now();
    this.beat();
    for (let i = 0; i < CONNECTIONS; i++) this.packets(5000 + i, 1 + (i % 3), ACK);
    this.controller.tick(performance.now());
  }

  private beat(): void {
    for (const backend of BACKENDS) {
      const heartbeat = {
        backend,
        address: 0x0a00000a + backend,
        macAddress: Uint8Array.of(2, 0, 0, 0, 1, backend),
        accepting: true,
        draining: false,
        weight: 1,
        connections: 0,
        delayUs: 40 + backend,
        incarnation: 1,
        sequence: Date.now() * 1000 + this.sequence++,
      };
      this.controller.heard(heartbeat, performance.now(), Date.now());
    }
  }

  private packets(clientPort: number, count: number, flags: number): void {
    const connection = { clientAddress: 0x0b000001, clientPort, virtualAddress: VIRTUAL, virtualPort: 80 };
    for (let i = 0; i < count; i++) {
      this.writer.ethernet(new Uint8Array(6), Uint8Array.of(2, 0, 0, 0, 9, 9), 0x0800);
      this.model.receive(0, this.writer.view, 0, this.writer.tcp(connection, flags, 0, false));
    }
  }
}

async function serve(status: () => FleetStatus, port = 0): Promise<{ server: Server; port: number }> {
  const nothing = (): void => undefined;
  const server = controlServer(
    { status, metrics: () => '', drain: nothing, move: nothing, remove: nothing },
    false,
  );
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}

let browser: Browser | undefined;
after(() => browser?.close());

/** A page of the one browser, and what it complains of. */
async function browse(t: TestContext): Promise<{ page: Page; complaints: string[] } | undefined> {
  const executablePath = requirePeer(t, 'chromium');
  if (executablePath === undefined) return undefined;
  browser ??= await chromium.launch({
    executablePath,
    // Root has no sandbox of its own, and containers have a small /dev/shm.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 1000 } });
  t.after(() => page.close());
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  page.on('pageerror', error => complaints.push(error.message));
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  return { page, complaints };
}

/** Waits until so many elements are there. The page's policy forbids the browser to wait by itself for an expression. */
async function until(page: Page, selector: string, count: number): Promise<void> {
  const limit = performance.now() + PATIENCE_MS;
  let found = -1;
  while (performance.now() < limit) {
    found = await page.locator(selector).count();
    if (found === count) return;
    await sleep(20);
  }
  assert.fail(`${selector}: ${found}, not ${count}`);
}

test('the page of a living controller', { timeout: 60_000 }, async t => {
  const fleet = new LivingFleet();
  t.after(() => fleet.close());
  let { server, port } = await serve(() => fleet.status());
  t.after(() => stop(server));
  const browsing = await browse(t);
  if (browsing === undefined) return;
  const { page, complaints } = browsing;
  const asked = new Set<string>();
  page.on('request', request => asked.add(request.url()));
  const url = `http://127.0.0.1:${port}/`;
  await page.goto(url);

  // Backends, with what they do, and a line for each that grows.
  await until(page, '#backends tr', 3);
  await until(page, '#load polyline[points*=" "]', 3);
  const cells = await page.locator('#backends tr:nth-child(2) td').allTextContents();
  assert.deepEqual(cells.slice(0, 4), ['1', 'active', '1', '8']);
  assert.ok(Number(cells[4]) > 0, 'packets per second');

  // A backend is drained: its connections are seen to go, each a bar as long as it took.
  fleet.controller.drain(0);
  await until(page, '#timeline g.moved', 8);
  assert.equal(await page.locator('#backends tr.draining').count(), 1);
  assert.equal(await page.locator('#migrations tr').count(), 8);
  assert.match(await page.locator('#state').innerText(), /^24 connections, 8 moved$/);
  const widths = await page
    .locator('#timeline g.moved .way')
    .evaluateAll(bars => bars.map(bar => Number(bar.getAttribute('width'))));
  assert.ok(Math.max(...widths) > Math.min(...widths), widths.join());

  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const ground = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    assert.equal(ground, colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 27)');
    const folder = process.env['DEMIKERNEL_SCREENSHOTS'];
    if (folder !== undefined) await page.screenshot({ path: `${folder}/capybara-${colorScheme}.png` });
  }
  assert.deepEqual(complaints, []);
  assert.deepEqual([...asked].sort(), [url, `${url}status.json`]);

  // The controller goes: the page says so. It comes back: so does the page, without being loaded again.
  stop(server);
  await page.waitForSelector('body.silent');
  assert.match(await page.locator('#state').innerText(), /^no answer/);
  await sleep(50);
  // Another process: its clock begins again, and it has moved nothing.
  const bornMs = performance.now();
  const reborn = (): FleetStatus => ({
    ...fleet.status(),
    nowMs: performance.now() - bornMs,
    migrations: [],
  });
  ({ server, port } = await serve(reborn, port));
  await page.waitForSelector('body:not(.silent)');
  assert.match(await page.locator('#state').innerText(), /^24 connections/);
  await until(page, '#timeline g', 0);
  const points = await page
    .locator('#load polyline')
    .evaluateAll(lines => lines.map(line => line.getAttribute('points') ?? ''));
  assert.equal(points.length, 3);
  for (const point of points.join(' ').split(' ')) assert.ok(Number.parseFloat(point) <= WIDTH, point);
});

test('hostile text is shown as text, and the policy lets no other script in', {
  timeout: 60_000,
}, async t => {
  const fleet = new LivingFleet();
  t.after(() => fleet.close());
  const hostile = '</td><img src=x onerror="window.caught=1"><script>window.caught=1</script>';
  const { server, port } = await serve(() => {
    const status = fleet.status();
    const event = { orderedMs: status.nowMs - 500, doneMs: status.nowMs, from: 0, to: 1 };
    const migrations = [{ ...event, client: hostile, reason: hostile, outcome: hostile }];
    const backends = status.backends.map(each => ({ ...each, state: hostile }));
    return { ...status, backends, migrations } as unknown as FleetStatus;
  });
  t.after(() => stop(server));
  const browsing = await browse(t);
  if (browsing === undefined) return;
  const { page, complaints } = browsing;
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.waitForSelector('#migrations tr');
  const cells = await page.locator('#migrations td').allTextContents();
  assert.deepEqual(cells, [hostile, '0', '1', hostile, hostile, '500']);
  assert.equal(await page.locator('#backends td:nth-child(2)').first().textContent(), hostile);
  assert.equal(await page.locator('img').count(), 0);
  assert.equal(await page.locator('script').count(), 1);
  assert.deepEqual(complaints, []);

  // Markup that got in all the same would not run: neither its script nor its handlers.
  await page.evaluate(`
    document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.caught=1">');
    const script = document.createElement('script');
    script.textContent = 'window.caught=1';
    document.body.append(script);
  `);
  for (const what of [/inline event handler/i, /inline script/i]) {
    const limit = performance.now() + PATIENCE_MS;
    while (!complaints.some(each => what.test(each)) && performance.now() < limit) await sleep(20);
    assert.ok(
      complaints.some(each => what.test(each)),
      `${what} in ${complaints.join('\n')}`,
    );
  }
  assert.equal(await page.evaluate('window.caught'), undefined);
});

test('a target that is no path is refused, and the controller goes on', async t => {
  const { server, port } = await serve(() => ({ connections: 5 }) as FleetStatus);
  t.after(() => stop(server));
  const socket = connect(port, '127.0.0.1');
  socket.end('GET // HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  assert.match(answer, /^HTTP\/1\.1 400 /);
  const again = await fetch(`http://127.0.0.1:${port}/status.json`);
  assert.deepEqual(await again.json(), { connections: 5 });
});
