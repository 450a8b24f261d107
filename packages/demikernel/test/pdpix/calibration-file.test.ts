// The file of calibrated thresholds: where it is, whom it serves, what happens when it is torn, wrong or hostile, and that
// open() follows it.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { open, openOptions } from '../../src/index.ts';
import {
  type CalibratedThreshold,
  calibrationPath,
  readCalibration,
  storeThresholds,
  thresholdFor,
} from '../../src/pdpix/calibration-file.ts';
import { softwareDevice } from '../../src/runtime/device-identity.ts';

let folder = '';
let file = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'demi-calibration-'));
  file = join(folder, 'state', 'calibration.json');
});

afterEach(() => rmSync(folder, { recursive: true }));

function measured(changes: Partial<CalibratedThreshold>): CalibratedThreshold {
  return {
    ...softwareDevice('catmem'),
    copyThresholdBytes: 640,
    descriptorThresholdBytes: Number.POSITIVE_INFINITY,
    measuredAt: '2026-01-02T03:04:05.678Z',
    machine: 'a machine',
    ...changes,
  };
}

function put(text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

test('the variable names the file, or switches it off; else it is among the user’s state', () => {
  const at = (environment: NodeJS.ProcessEnv): string | undefined => calibrationPath(environment);
  assert.equal(at({ DEMIKERNEL_CALIBRATION: '/a/b', XDG_STATE_HOME: '/s', HOME: '/h' }), '/a/b');
  assert.equal(at({ DEMIKERNEL_CALIBRATION: 'off', HOME: '/h' }), undefined);
  assert.equal(at({ XDG_STATE_HOME: '/s', HOME: '/h' }), '/s/demikernel/calibration.json');
  const own = '/h/.local/state/demikernel/calibration.json';
  assert.equal(at({ DEMIKERNEL_CALIBRATION: '', HOME: '/h' }), own);
  assert.equal(at({ XDG_STATE_HOME: 'relative', HOME: '/h' }), own);
});

test('what is stored is read again, Infinity and zero too; newer measurements take the place of older ones', () => {
  const catmem = measured({ copyThresholdBytes: Number.POSITIVE_INFINITY });
  const veth = measured({
    libos: 'catpowder',
    device: 'af-xdp',
    driver: 'veth',
    copyThresholdBytes: 0,
    descriptorThresholdBytes: 4096,
  });
  storeThresholds(file, [catmem]);
  storeThresholds(file, [veth]);
  assert.deepEqual(readCalibration(file), { thresholds: [catmem, veth], problem: '', newer: false });
  const again = { ...catmem, copyThresholdBytes: 17 };
  storeThresholds(file, [again]);
  assert.deepEqual(readCalibration(file).thresholds, [again, veth]);
  assert.deepEqual(readdirSync(dirname(file)), ['calibration.json'], 'nothing else is left');
});

test('an interface’s own threshold comes before that of its driver', () => {
  const driver = measured({ libos: 'catpowder', device: 'af-xdp', driver: 'veth', copyThresholdBytes: 1 });
  const own = { ...driver, interface: 'eth1', copyThresholdBytes: 2 };
  const packet = { ...driver, device: 'af-packet', copyThresholdBytes: 3 };
  storeThresholds(file, [driver, own, packet, measured({})]);
  const calibration = readCalibration(file);
  assert.equal(calibration.thresholds.length, 4);
  const of = (device: string, name: string, link: string): number | undefined =>
    thresholdFor(calibration, { libos: 'catpowder', device, interface: name, driver: link })
      ?.copyThresholdBytes;
  assert.equal(of('af-xdp', 'eth1', 'veth'), 2);
  assert.equal(of('af-xdp', 'eth1', 'mlx5_core'), 2);
  assert.equal(of('af-xdp', 'eth2', 'veth'), 1);
  assert.equal(of('af-packet', 'eth2', 'veth'), 3);
  assert.equal(of('af-xdp', 'eth2', 'mlx5_core'), undefined);
  assert.equal(thresholdFor(calibration, softwareDevice('catmem'))?.copyThresholdBytes, 640);
  assert.equal(thresholdFor(calibration, softwareDevice('catnap')), undefined);
});

const ENTRY = {
  libos: 'catmem',
  device: '',
  interface: '',
  driver: '',
  copyThresholdBytes: 640,
  descriptorThresholdBytes: 'Infinity',
  measuredAt: 'now',
  machine: 'this',
};

test('what is no calibration is a problem that is named, and no thresholds', () => {
  const wrong: [string, unknown][] = [
    ['empty', ''],
    ['torn', JSON.stringify({ version: 1, thresholds: [ENTRY] }).slice(0, -20)],
    ['binary', '\u0000\u0001\u0002'],
    ['null', null],
    ['a list', []],
    ['no version', { thresholds: [] }],
    ['an old version', { version: 0, thresholds: [] }],
    ['a version that is text', { version: '1', thresholds: [] }],
    ['no thresholds', { version: 1 }],
    ['thresholds by name', { version: 1, thresholds: { catmem: 3 } }],
    ['too many', { version: 1, thresholds: Array(2000).fill(ENTRY) }],
    ['one of them null', { version: 1, thresholds: [ENTRY, null] }],
    ...[-1, 1.5, '640', null, 2 ** 40, 'infinity', [640]].map((bytes): [string, unknown] => [
      `a threshold of ${JSON.stringify(bytes)}`,
      { version: 1, thresholds: [{ ...ENTRY, copyThresholdBytes: bytes }] },
    ]),
    ['a name too long', { version: 1, thresholds: [{ ...ENTRY, interface: 'x'.repeat(65) }] }],
    ['a name that is a number', { version: 1, thresholds: [{ ...ENTRY, libos: 7 }] }],
    ['deep', `${'['.repeat(100_000)}`],
  ];
  for (const [what, content] of wrong) {
    put(typeof content === 'string' ? content : JSON.stringify(content));
    const { problem, thresholds } = readCalibration(file);
    assert.deepEqual(thresholds, [], what);
    assert.ok(problem.includes(file), what);
  }
  put(`{"version":1,"thresholds":[{"__proto__":${JSON.stringify(ENTRY)}}]}`);
  assert.notEqual(readCalibration(file).problem, '', 'nothing is inherited from a property named __proto__');
});

test('what cannot be read, or would never end, is a problem too; what is not there is none', () => {
  assert.deepEqual(readCalibration(file), { thresholds: [], problem: '', newer: false });
  assert.equal(readCalibration(join(file, 'below')).problem, '');
  put('x');
  assert.equal(readCalibration(join(file, 'below a file')).problem, '');
  assert.match(readCalibration(folder).problem, /no regular file/);
  const pipe = join(folder, 'pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  assert.match(readCalibration(pipe).problem, /no regular file/);
  assert.match(readCalibration('/dev/zero').problem, /no regular file/);
  const loop = join(folder, 'loop');
  symlinkSync(loop, loop);
  assert.match(readCalibration(loop).problem, /ELOOP/);
  put(' '.repeat((1 << 20) + 1));
  assert.match(readCalibration(file).problem, /bytes long/);
});

test('a later version is left alone; what is no calibration is replaced', () => {
  const later = JSON.stringify({ version: 2, thresholds: 'of another kind' });
  put(later);
  assert.deepEqual(readCalibration(file).thresholds, []);
  assert.throws(() => storeThresholds(file, [measured({})]), { code: 'ERR_DEMI_CALIBRATION' });
  assert.equal(readFileSync(file, 'utf8'), later);
  put('garbage');
  storeThresholds(file, [measured({})]);
  assert.deepEqual(readCalibration(file).thresholds, [measured({})]);
});

test('what cannot be written is said, and leaves nothing', () => {
  put('a file, no folder');
  assert.throws(() => storeThresholds(join(file, 'calibration.json'), [measured({})]), {
    code: 'ERR_DEMI_CALIBRATION',
  });
  mkdirSync(join(folder, 'taken.json'));
  assert.throws(() => storeThresholds(join(folder, 'taken.json'), [measured({})]), {
    code: 'ERR_DEMI_CALIBRATION',
  });
  assert.deepEqual(readdirSync(folder).sort(), ['state', 'taken.json']);
});

test('whoever reads while another writes finds one whole file or the other', async () => {
  const module = new URL('../../src/pdpix/calibration-file.js', import.meta.url).href;
  const one = measured({});
  storeThresholds(file, [one]);
  const writer = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { storeThresholds } from ${JSON.stringify(module)};
     const one = JSON.parse(process.argv[2]);
     one.descriptorThresholdBytes = Infinity;
     for (let i = 0; i < 200; i++) storeThresholds(process.argv[1], [{ ...one, copyThresholdBytes: i, machine: 'm'.repeat(i * 50) }]);`,
    file,
    JSON.stringify(one),
  ]);
  const ended = once(writer, 'close');
  let reads = 0;
  while (writer.exitCode === null) {
    const { problem, thresholds } = readCalibration(file);
    assert.equal(problem, '');
    assert.equal(thresholds.length, 1);
    if (reads++ % 50 === 0) await new Promise(resolve => setImmediate(resolve));
  }
  assert.deepEqual((await ended)[0], 0);
  assert.equal(readCalibration(file).thresholds[0]!.copyThresholdBytes, 199);
});

test('open() follows the file, an option comes before it, and a broken file is a warning', async () => {
  const opened = async (options: { copyThresholdBytes?: number; calibration?: string }): Promise<number> => {
    const os = await open({ libos: 'catnap', ...options });
    const threshold = os.libraryOs.pool.copyThresholdBytes;
    os.shutDown();
    return threshold;
  };
  const usual = await opened({ calibration: 'off' });
  storeThresholds(file, [
    measured({ libos: 'catnap', copyThresholdBytes: usual + 1 }),
    measured({ libos: 'catmem', copyThresholdBytes: usual + 2 }),
  ]);
  assert.equal(await opened({ calibration: file }), usual + 1);
  for (const bytes of [0, 77, Number.POSITIVE_INFINITY])
    assert.equal(await opened({ calibration: file, copyThresholdBytes: bytes }), bytes);
  for (const bytes of [-1, Number.NaN])
    await assert.rejects(opened({ copyThresholdBytes: bytes }), { code: 'ERR_DEMI_OPTION' });
  put('garbage');
  const warned = once(process, 'warning') as Promise<[Error]>;
  assert.equal(await opened({ calibration: file }), usual);
  const [warning] = await warned;
  assert.equal(warning.name, 'DemikernelNotice');
  assert.ok(warning.message.includes(file));
});

test('programs take the threshold by a flag', () => {
  const of = (value?: string): number | undefined =>
    openOptions({ 'copy-threshold': value }).copyThresholdBytes;
  assert.equal(of(), undefined);
  assert.equal(of('0'), 0);
  assert.equal(of('512'), 512);
  assert.equal(of('Infinity'), Number.POSITIVE_INFINITY);
  for (const value of ['-1', 'infinity', '1e3', ''])
    assert.throws(() => of(value), { code: 'ERR_DEMI_OPTION', message: /--copy-threshold/ });
});
