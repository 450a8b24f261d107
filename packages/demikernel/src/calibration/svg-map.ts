// A heat map as a picture: fields down, total size across, the gain as colour and number. No script, no style sheet, no font
// but the reader's.

import { type HybridCell, isDecided } from './heat-map.ts';

const CELL_WIDTH = 74;
const CELL_HEIGHT = 36;
const LEFT = 84;
const TOP = 92;
const RIGHT = 24;
const BOTTOM = 64;
/** Gains of this many percent, and more, have the full colour. */
const FULL_PERCENT = 50;
const GATHER_COLOUR: Colour = [33, 102, 172];
const COPY_COLOUR: Colour = [178, 88, 24];
const WHITE: Colour = [255, 255, 255];

type Colour = readonly [number, number, number];

/** What stands above the map. */
export interface MapTitle {
  title: string;
  /** A line of small print. */
  note: string;
}

/** The map of one device as an SVG document. Cells that the threshold has sent by reference have a frame. */
export function svgHeatMap(
  cells: readonly HybridCell[],
  thresholdBytes: number,
  { title, note }: MapTitle,
): string {
  const fields = [...new Set(cells.map(cell => cell.fields))].sort((a, b) => a - b);
  const sizes = [...new Set(cells.map(cell => cell.sizeBytes))].sort((a, b) => a - b);
  const width = LEFT + sizes.length * CELL_WIDTH + RIGHT;
  const height = TOP + fields.length * CELL_HEIGHT + BOTTOM;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13" text-anchor="middle">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(width / 2, 24, title, 'font-size="16" font-weight="bold"'),
    text(width / 2, 43, note, 'font-size="11" fill="#555555"'),
    text(LEFT + (sizes.length * CELL_WIDTH) / 2, 66, 'bytes of all fields'),
    text(LEFT - 44, 66, 'fields'),
  ];
  sizes.forEach((size, x) => {
    parts.push(text(LEFT + (x + 0.5) * CELL_WIDTH, TOP - 8, String(size)));
  });
  fields.forEach((count, y) => {
    parts.push(text(LEFT - 44, TOP + (y + 0.5) * CELL_HEIGHT + 5, String(count)));
  });
  for (const cell of cells) {
    const x = LEFT + sizes.indexOf(cell.sizeBytes) * CELL_WIDTH;
    const y = TOP + fields.indexOf(cell.fields) * CELL_HEIGHT;
    parts.push(...cellParts(cell, x, y, cell.fieldBytes >= thresholdBytes));
  }
  const base = TOP + fields.length * CELL_HEIGHT;
  const threshold = thresholdBytes === Number.POSITIVE_INFINITY ? 'none' : `fields of ${thresholdBytes} B`;
  parts.push(
    text(width / 2, base + 24, 'percent more messages by reference than copied; pale: not decided'),
    text(
      width / 2,
      base + 44,
      `framed: sent by reference by the threshold (${threshold}${threshold === 'none' ? '' : ' and more'})`,
    ),
    '</svg>',
  );
  return `${parts.join('\n')}\n`;
}

function cellParts(cell: HybridCell, x: number, y: number, byReference: boolean): string[] {
  const gain = cell.gainPercent.value;
  const strength = Math.min(1, Math.abs(gain) / FULL_PERCENT) * (isDecided(cell) ? 1 : 0.3);
  const fill = mixed(WHITE, gain >= 0 ? GATHER_COLOUR : COPY_COLOUR, 0.1 + 0.9 * strength);
  const ink = strength > 0.55 ? '#ffffff' : '#111111';
  const parts = [
    `<rect x="${x}" y="${y}" width="${CELL_WIDTH - 2}" height="${CELL_HEIGHT - 2}" fill="${fill}"/>`,
    text(x + CELL_WIDTH / 2 - 1, y + CELL_HEIGHT / 2 + 4, percent(gain), `fill="${ink}"`),
  ];
  if (byReference)
    parts.push(
      `<rect x="${x + 1.5}" y="${y + 1.5}" width="${CELL_WIDTH - 5}" height="${CELL_HEIGHT - 5}" fill="none" stroke="#111111" stroke-width="1.5"/>`,
    );
  return parts;
}

/** `+12`, `-3`, `0`. */
export function percent(value: number): string {
  const rounded = Math.round(value);
  return rounded > 0 ? `+${rounded}` : String(rounded === 0 ? 0 : rounded);
}

function mixed(from: Colour, to: Colour, part: number): string {
  const channel = (i: 0 | 1 | 2): string =>
    Math.round(from[i] + (to[i] - from[i]) * part)
      .toString(16)
      .padStart(2, '0');
  return `#${channel(0)}${channel(1)}${channel(2)}`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}"${attributes === '' ? '' : ` ${attributes}`}>${escaped(content)}</text>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

function escaped(content: string): string {
  // Control characters are no XML, not even as entities.
  return content.replace(/\p{Cc}/gu, '').replace(/[&<>"']/g, one => ENTITIES[one]!);
}
