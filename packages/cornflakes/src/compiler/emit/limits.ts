// What the wire format cannot hold, found before anything is written.

import { Findings } from '../schema/diagnostics.ts';
import { allMessages, type SchemaFile } from '../schema/model.ts';
import { assignSlots } from './slots.ts';

/** Tagged entries in one header: their count is a byte of its first word. */
const MAX_SPARSE_FIELDS = 255;

/** @throws SchemaError when a message has more fields than a header. */
export function checkLimits(files: readonly SchemaFile[]): void {
  const findings = new Findings();
  for (const message of files.flatMap(allMessages)) {
    const { words, of } = assignSlots(message.fields);
    const sparse = [...of.values()].filter(slot => !slot.dense).length;
    if (sparse <= MAX_SPARSE_FIELDS) continue;
    const limit = `at most ${MAX_SPARSE_FIELDS} of its fields may have numbers above ${32 * words}`;
    findings.error(message.position, `message ${message.name} has ${sparse} tagged fields; ${limit}`);
  }
  findings.throwIfAny();
}
