// Changes of one enum. Enums are open: a number that a reader does not know is kept as a number.

import type { EnumType, EnumValue } from '../schema/model.ts';
import type { Changes } from './compare.ts';
import { isReserved } from './reserved.ts';

export function compareEnums(before: EnumType, after: EnumType, changes: Changes): void {
  const name = after.fullName;
  for (const value of after.values) {
    const sameName = before.values.find(one => one.name === value.name);
    if (sameName === undefined) added(name, value, before, changes);
    else if (sameName.number !== value.number) {
      const message = `${name}.${value.name} was ${sameName.number} and is now ${value.number}`;
      changes.breaking(value.position, message);
    }
  }
  for (const value of before.values) {
    if (after.values.some(one => one.name === value.name || one.number === value.number)) continue;
    const reserved = isReserved(after.reserved, value.number) && isReservedName(after, value);
    if (reserved) changes.compatible(value.position, `${name}.${value.name} is gone and reserved`);
    else {
      const message = `${name}.${value.name} is gone; reserve its number and its name, or they may be used again`;
      changes.breaking(value.position, message);
    }
  }
}

function added(name: string, value: EnumValue, before: EnumType, changes: Changes): void {
  const sameNumber = before.values.find(one => one.number === value.number);
  if (sameNumber !== undefined) {
    const message = `${name}: ${value.number} was ${sameNumber.name} and is also or only ${value.name}, JSON's name of it`;
    changes.breaking(value.position, message);
  } else if (isReserved(before.reserved, value.number)) {
    changes.breaking(value.position, `${name}.${value.name} uses the reserved number ${value.number}`);
  } else {
    changes.compatible(value.position, `${name}.${value.name} is new; old readers keep it as a number`);
  }
}

function isReservedName(type: EnumType, value: EnumValue): boolean {
  return type.reserved.names.includes(value.name);
}
