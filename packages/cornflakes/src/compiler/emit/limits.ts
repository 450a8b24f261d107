// What the wire format and the runtime cannot hold, found before anything is written.

import type { Findings } from '../schema/diagnostics.ts';
import { allMessages, type SchemaFile } from '../schema/model.ts';
import { assignSlots } from './slots.ts';

/** Fields of a message; the runtime keeps tables of this size. */
const MAX_FIELDS = 2048;
/** Tagged entries in one header: their count is a byte of its first word. */
const MAX_TAGGED_PRESENT = 255;

/** Adds an error for a message that cannot be, and a note for one that can not always be written. */
export function checkLimits(files: readonly SchemaFile[], findings: Findings): void {
  for (const message of files.flatMap(allMessages)) {
    const { fields, name, position } = message;
    const tagged = [...assignSlots(fields).of.values()].filter(slot => !slot.dense).length;
    if (fields.length > MAX_FIELDS) {
      findings.error(position, `message ${name} has ${fields.length} fields, more than ${MAX_FIELDS}`);
    } else if (tagged > MAX_TAGGED_PRESENT) {
      const limit = `at most ${MAX_TAGGED_PRESENT} of them can be present at once`;
      findings.note(position, `message ${name} has ${tagged} fields that need tags; ${limit}`);
    }
  }
}
