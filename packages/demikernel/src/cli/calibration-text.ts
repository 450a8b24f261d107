// What `demikernel calibrate` prints about a device: two tables and what follows from them.

import type { DeviceCalibration } from '../calibration/calibrate.ts';
import { type HybridCell, isDecided } from '../calibration/heat-map.ts';
import type { Estimate } from '../calibration/statistics.ts';
import { percent } from '../calibration/svg-map.ts';
import { describeDevice } from '../runtime/device-identity.ts';
import { textTable } from './text-table.ts';

/** The hybrid is to stay within so many percent of the better choice. */
export const MOST_EXCESS_PERCENT = 5;

function table(cells: readonly HybridCell[], show: (cell: HybridCell) => string): string {
  const fields = [...new Set(cells.map(cell => cell.fields))].sort((a, b) => a - b);
  const sizes = [...new Set(cells.map(cell => cell.sizeBytes))].sort((a, b) => a - b);
  const rows = fields.map(count => [
    String(count),
    ...sizes.map(size => {
      const cell = cells.find(each => each.fields === count && each.sizeBytes === size);
      return cell === undefined ? '' : show(cell);
    }),
  ]);
  const columns = ['fields', ...sizes.map(size => `${size} B`)];
  return textTable(
    columns.map(heading => ({ heading, right: true })),
    rows,
  );
}

/** Whether the hybrid is, as far as was measured, where it should be. */
export function isClose(cell: HybridCell): boolean {
  return cell.excessPercent.value <= MOST_EXCESS_PERCENT;
}

function interval({ value, low, high }: Estimate): string {
  return `${value.toFixed(1)} % (${low.toFixed(1)} to ${high.toFixed(1)})`;
}

/** How much was measured: `64 MiB of values, 300 rounds`. */
export function sizeText({ rounds, workingSetBytes }: DeviceCalibration): string {
  const kibibytes = Math.round(workingSetBytes / 1024);
  const size = kibibytes < 1024 ? `${kibibytes} KiB` : `${Math.round(kibibytes / 1024)} MiB`;
  return `${size} of values, ${rounds} rounds`;
}

/** What the threshold says, in a line. */
export function thresholdSentence({ copyThresholdBytes, decided }: DeviceCalibration): string {
  if (!decided) return 'no cell says which way is better: the threshold stays what it is';
  if (copyThresholdBytes === Number.POSITIVE_INFINITY) return 'values are copied, whatever their size';
  return `values of ${copyThresholdBytes} bytes and more are sent by reference`;
}

/** So few rounds mean that something else had the processors. */
const FEW_ROUNDS = 60;

function busyNote(rounds: number): string {
  if (rounds >= FEW_ROUNDS) return '';
  return `only ${rounds} rounds: this machine is busy, or --seconds is short; the answer may be another one next time\n`;
}

/** Everything about one device. */
export function calibrationText(found: DeviceCalibration): string {
  const { cells } = found;
  const gains = table(cells, cell => {
    const text = percent(cell.gainPercent.value);
    return isDecided(cell) ? text : `(${text})`;
  });
  const excess = table(cells, cell => {
    const text = cell.excessPercent.value.toFixed(1);
    return isClose(cell) ? text : `${text}${cell.excessPercent.low > MOST_EXCESS_PERCENT ? '!' : '?'}`;
  });
  const worst = cells.reduce((a, b) => (b.excessPercent.value > a.excessPercent.value ? b : a));
  const close = cells.filter(isClose).length;
  const surely = cells.filter(cell => cell.excessPercent.low > MOST_EXCESS_PERCENT).length;
  const descriptors =
    found.place !== 'af-xdp'
      ? ''
      : found.descriptorThresholdBytes === Number.POSITIVE_INFINITY
        ? 'a descriptor for each piece of a frame costs more than copying it: pieces are copied into the frame\n'
        : `pieces of ${found.descriptorThresholdBytes} bytes and more get a descriptor of their own\n`;
  return `${describeDevice(found.identity)}: ${sizeText(found)}

By how many percent more messages go by reference than copied; in brackets: not decided

${gains}

${thresholdSentence(found)}
${descriptors}
By how many percent the hybrid, with this threshold, takes longer than the better of the two

${excess}

within ${MOST_EXCESS_PERCENT} %: ${close} of ${cells.length} cells, ${surely} surely not; worst ${interval(worst.excessPercent)} at ${worst.fields} × ${worst.fieldBytes} B
${busyNote(found.rounds)}`;
}
