// The admin commands of the model of a controller.

import {
  ADMIN_ABORT,
  ADMIN_CREATE_COMPLETION_QUEUE,
  ADMIN_CREATE_SUBMISSION_QUEUE,
  ADMIN_DELETE_COMPLETION_QUEUE,
  ADMIN_DELETE_SUBMISSION_QUEUE,
  ADMIN_GET_LOG_PAGE,
  ADMIN_IDENTIFY,
  ADMIN_SET_FEATURES,
  IDENTIFY_ACTIVE_NAMESPACES,
  IDENTIFY_CONTROLLER,
  IDENTIFY_NAMESPACE,
} from '../../src/nvme/commands.ts';
import {
  STATUS_ABORT_REQUESTED,
  STATUS_INVALID_FIELD,
  STATUS_INVALID_NAMESPACE,
  STATUS_INVALID_OPCODE,
  STATUS_LBA_OUT_OF_RANGE,
} from '../../src/nvme/status.ts';
import type { ModelCommand, ModelController } from './model-controller.ts';

/** SGLS, by what pieces are multiples of. */
const SGL_SUPPORT: Readonly<Record<number, number>> = { 1: 1, 4: 2 };

interface Outcome {
  status: number;
  result: number;
}

const ok: Outcome = { status: 0, result: 0 };
const refuse = (status: number): Outcome => ({ status, result: 0 });

export function executeAdmin(model: ModelController, command: ModelCommand): Outcome {
  const { words } = command;
  switch (words[0]! & 0xff) {
    case ADMIN_IDENTIFY:
      return identify(model, words);
    case ADMIN_SET_FEATURES: {
      const wanted = words[11]! & 0xffff;
      const granted = Math.min(wanted + 1, model.options.grantedPairs ?? 64) - 1;
      return { status: 0, result: granted | (granted << 16) };
    }
    case ADMIN_CREATE_COMPLETION_QUEUE:
    case ADMIN_CREATE_SUBMISSION_QUEUE:
      return createQueue(model, words);
    case ADMIN_DELETE_SUBMISSION_QUEUE:
      return model.queues.delete(words[10]!) ? ok : refuse(0x101);
    case ADMIN_DELETE_COMPLETION_QUEUE:
      if (model.queues.has(words[10]!))
        model.complaints.push('a completion queue before its submission queue');
      return model.completionQueues.delete(words[10]!) ? ok : refuse(0x101);
    case ADMIN_ABORT: {
      const [queue, identifier] = [words[10]! & 0xffff, words[10]! >>> 16];
      if (model.misbehaviour.deafToAborts === true) return { status: 0, result: 1 };
      const found = model.takePending(queue, identifier);
      if (found === undefined) return { status: 0, result: 1 };
      model.answer(queue, identifier, STATUS_ABORT_REQUESTED, 0);
      return ok;
    }
    case ADMIN_GET_LOG_PAGE:
      return errorLog(model, words);
    default:
      return refuse(STATUS_INVALID_OPCODE);
  }
}

function page(model: ModelController, words: Int32Array): number {
  return model.memory.offsetOf(words[6]!, words[7]!, 4096);
}

function identify(model: ModelController, words: Int32Array): Outcome {
  const at = page(model, words);
  if (at < 0) return refuse(STATUS_INVALID_FIELD);
  const { bytes, view } = model.memory;
  bytes.fill(0, at, at + 4096);
  const text = (offset: number, content: string, width: number): void => {
    for (let i = 0; i < width; i++) bytes[at + offset + i] = content.charCodeAt(i) || 0x20;
  };
  switch (words[10]! & 0xff) {
    case IDENTIFY_CONTROLLER:
      text(4, 'serial-1', 20);
      text(24, 'Model of a controller', 40);
      text(64, '1.0', 8);
      bytes[at + 77] = model.options.transferShift ?? 5;
      bytes[at + 258] = 3;
      bytes[at + 262] = 3;
      view.setUint32(at + 516, 8, true);
      view.setUint16(at + 520, (1 << 2) | (1 << 3), true);
      bytes[at + 525] = model.disks.some(disk => disk.volatileCache) ? 1 : 0;
      view.setUint32(at + 536, SGL_SUPPORT[model.disks[0]!.gatherAlignBytes] ?? 0, true);
      return ok;
    case IDENTIFY_ACTIVE_NAMESPACES:
      model.disks.forEach((disk, index) => void view.setUint32(at + 4 * index, disk.id, true));
      return ok;
    case IDENTIFY_NAMESPACE: {
      const disk = model.disks.find(each => each.id === words[1]);
      if (disk === undefined) return refuse(STATUS_INVALID_NAMESPACE);
      view.setBigUint64(at, BigInt(disk.blocks), true);
      bytes[at + 25] = 1;
      bytes[at + 26] = 1;
      view.setUint16(at + 132, disk.metadataBytes, true);
      bytes[at + 134] = 31 - Math.clz32(disk.blockBytes);
      return ok;
    }
    default:
      return refuse(STATUS_INVALID_FIELD);
  }
}

function createQueue(model: ModelController, words: Int32Array): Outcome {
  const [id, entries] = [words[10]! & 0xffff, (words[10]! >>> 16) + 1];
  const completion = (words[0]! & 0xff) === ADMIN_CREATE_COMPLETION_QUEUE;
  if ((words[11]! & 1) === 0) model.complaints.push('a queue that is not contiguous');
  const at = model.memory.offsetOf(words[6]!, words[7]!, entries * (completion ? 16 : 64));
  if (at < 0 || id === 0 || entries > (model.options.maxQueueEntries ?? 1024))
    return refuse(STATUS_INVALID_FIELD);
  if (completion) {
    model.completionQueues.set(id, { at, entries });
    return ok;
  }
  if (words[11]! >>> 16 !== id || !model.completionQueues.has(id)) return refuse(0x100);
  model.addQueue(id, at, entries);
  return ok;
}

function errorLog(model: ModelController, words: Int32Array): Outcome {
  const at = page(model, words);
  const lengthBytes = ((words[10]! >>> 16) + 1) * 4;
  if ((words[10]! & 0xff) !== 1 || at < 0 || lengthBytes > 4 * 64) return refuse(STATUS_INVALID_FIELD);
  const { bytes, view } = model.memory;
  bytes.fill(0, at, at + lengthBytes);
  view.setBigUint64(at, 7n, true);
  view.setUint16(at + 8, 1, true);
  view.setUint16(at + 12, STATUS_LBA_OUT_OF_RANGE << 1, true);
  view.setBigUint64(at + 16, 99n, true);
  view.setUint32(at + 24, 1, true);
  return ok;
}
