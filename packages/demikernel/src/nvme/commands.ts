// Encodes commands into submission entries, word by word (Base Specification 2.0 sections 3.3.3 and 5; NVM Command Set
// Specification 1.0 section 3). The entry is zeroed before; who sends it is queue-pair.ts.

export const ADMIN_DELETE_SUBMISSION_QUEUE = 0x00;
export const ADMIN_CREATE_SUBMISSION_QUEUE = 0x01;
export const ADMIN_GET_LOG_PAGE = 0x02;
export const ADMIN_DELETE_COMPLETION_QUEUE = 0x04;
export const ADMIN_CREATE_COMPLETION_QUEUE = 0x05;
export const ADMIN_IDENTIFY = 0x06;
export const ADMIN_ABORT = 0x08;
export const ADMIN_SET_FEATURES = 0x09;

export const NVM_FLUSH = 0x00;
export const NVM_WRITE = 0x01;
export const NVM_READ = 0x02;
export const NVM_WRITE_ZEROES = 0x08;
export const NVM_DATASET_MANAGEMENT = 0x09;

// Words of a submission entry.
const OPCODE = 0;
const NAMESPACE = 1;
export const PRP1_LOW = 6;
export const PRP1_HIGH = 7;
export const PRP2_LOW = 8;
export const PRP2_HIGH = 9;
const DWORD10 = 10;
const DWORD11 = 11;
const DWORD12 = 12;

/** Force unit access: the data is on the medium when the command is over. */
export const FORCE_UNIT_ACCESS: number = 1 << 30;
/** Dataset management: the ranges are not needed any more. */
const DEALLOCATE = 1 << 2;
const QUEUE_IS_CONTIGUOUS = 1;
const FEATURE_NUMBER_OF_QUEUES = 7;
const LOG_ERROR_INFORMATION = 1;
const ALL_NAMESPACES = 0xffff_ffff | 0;

export const IDENTIFY_NAMESPACE = 0;
export const IDENTIFY_CONTROLLER = 1;
export const IDENTIFY_ACTIVE_NAMESPACES = 2;

/** The opcode beside the command identifier, which the queue has put there. */
function begin(words: Int32Array, at: number, opcode: number, namespaceId: number): void {
  words[at + OPCODE] = words[at + OPCODE]! | opcode;
  words[at + NAMESPACE] = namespaceId;
}

/** A data pointer that is one whole page or less. */
export function setPage(words: Int32Array, at: number, page: number): void {
  words[at + PRP1_LOW] = page << 12;
  words[at + PRP1_HIGH] = page >>> 20;
}

/**
 * Read, write or write zeroes; the data pointer apart.
 *
 * @param lba of the first block; exact up to 2^53
 * @param blocks 1 to 65536
 * @param flags {@link FORCE_UNIT_ACCESS} or 0
 */
export function encodeTransfer(
  words: Int32Array,
  at: number,
  opcode: number,
  namespaceId: number,
  lba: number,
  blocks: number,
  flags: number,
): void {
  begin(words, at, opcode, namespaceId);
  setLba(words, at + DWORD10, lba);
  words[at + DWORD12] = (blocks - 1) | flags;
}

/** 64 bits from a double: conversion to int32 keeps the low 32 bits exactly. */
function setLba(words: Int32Array, at: number, lba: number): void {
  words[at] = lba | 0;
  words[at + 1] = (lba / 0x1_0000_0000) | 0;
}

/** What was written is on the medium when this is over. */
export function encodeFlush(words: Int32Array, at: number, namespaceId: number): void {
  begin(words, at, NVM_FLUSH, namespaceId);
}

/** Says that one range, which {@link writeRange} has put into the data page, is not needed any more. */
export function encodeDeallocate(words: Int32Array, at: number, namespaceId: number, page: number): void {
  begin(words, at, NVM_DATASET_MANAGEMENT, namespaceId);
  setPage(words, at, page);
  words[at + DWORD10] = 0; // ranges, less one
  words[at + DWORD11] = DEALLOCATE;
}

/** A range of dataset management, at word `at` of memory: attributes, blocks, first block. */
export function writeRange(words: Int32Array, at: number, lba: number, blocks: number): void {
  words[at] = 0;
  words[at + 1] = blocks;
  setLba(words, at + 2, lba);
}

/** Fills a page with what `structure` (IDENTIFY_…) is about. */
export function encodeIdentify(
  words: Int32Array,
  at: number,
  structure: number,
  namespaceId: number,
  page: number,
): void {
  begin(words, at, ADMIN_IDENTIFY, namespaceId);
  setPage(words, at, page);
  words[at + DWORD10] = structure;
}

/** Asks for queue pairs; the answer's result says how many, less one, of submission (15:0) and completion queues (31:16). */
export function encodeSetQueueCount(words: Int32Array, at: number, pairs: number): void {
  begin(words, at, ADMIN_SET_FEATURES, 0);
  words[at + DWORD10] = FEATURE_NUMBER_OF_QUEUES;
  words[at + DWORD11] = (pairs - 1) | ((pairs - 1) << 16);
}

/** A completion queue without interrupts. */
export function encodeCreateCompletionQueue(
  words: Int32Array,
  at: number,
  id: number,
  entries: number,
  page: number,
): void {
  begin(words, at, ADMIN_CREATE_COMPLETION_QUEUE, 0);
  setPage(words, at, page);
  words[at + DWORD10] = id | ((entries - 1) << 16);
  words[at + DWORD11] = QUEUE_IS_CONTIGUOUS;
}

/** A submission queue whose answers come to the completion queue of the same number. */
export function encodeCreateSubmissionQueue(
  words: Int32Array,
  at: number,
  id: number,
  entries: number,
  page: number,
): void {
  begin(words, at, ADMIN_CREATE_SUBMISSION_QUEUE, 0);
  setPage(words, at, page);
  words[at + DWORD10] = id | ((entries - 1) << 16);
  words[at + DWORD11] = QUEUE_IS_CONTIGUOUS | (id << 16);
}

/** @param opcode ADMIN_DELETE_SUBMISSION_QUEUE, or, after that, ADMIN_DELETE_COMPLETION_QUEUE */
export function encodeDeleteQueue(words: Int32Array, at: number, opcode: number, id: number): void {
  begin(words, at, opcode, 0);
  words[at + DWORD10] = id;
}

/** Best effort: bit 0 of the answer's result says that the command was not aborted. */
export function encodeAbort(words: Int32Array, at: number, queue: number, command: number): void {
  begin(words, at, ADMIN_ABORT, 0);
  words[at + DWORD10] = queue | (command << 16);
}

/** Fills a page with the newest entries of the error log, 64 bytes each. */
export function encodeGetErrorLog(words: Int32Array, at: number, lengthBytes: number, page: number): void {
  begin(words, at, ADMIN_GET_LOG_PAGE, ALL_NAMESPACES);
  setPage(words, at, page);
  words[at + DWORD10] = LOG_ERROR_INFORMATION | (((lengthBytes >> 2) - 1) << 16);
}
