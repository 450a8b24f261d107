// Messages as plain objects with a view per value, which is what both Protocol Buffers libraries write and read.

import type { Blobs } from '../blobs.ts';
import type { ObjectReply, ObjectRequest } from '../messages.ts';
import type { OnePiece } from '../payloads.ts';
import { GET_M } from '../protocol.ts';

export interface RequestFields {
  id: number;
  operation: number;
  key: Uint8Array;
  keys: Uint8Array[];
  value: Uint8Array;
  values: Uint8Array[];
}

export interface ReplyFields {
  id: number;
  status: number;
  value: Uint8Array;
  values: Uint8Array[];
}

const NO_BYTES: Uint8Array = new Uint8Array(0);
const NONE: Uint8Array[] = [];

export function fillRequest(fields: RequestFields, request: ObjectRequest): void {
  const { keys, operation, values } = request;
  const isGetM = operation === GET_M;
  const isList = values.count > 1;
  fields.id = request.id;
  fields.operation = operation;
  fields.key = isGetM || keys.count === 0 ? NO_BYTES : keys.view(0);
  fields.keys = isGetM ? viewsOf(keys) : NONE;
  fields.value = isList || values.count === 0 ? NO_BYTES : values.view(0);
  fields.values = isList ? viewsOf(values) : NONE;
}

export function fillReply(fields: ReplyFields, reply: ObjectReply): void {
  const { isList, values } = reply;
  fields.id = reply.id;
  fields.status = reply.status;
  fields.value = isList || values.count === 0 ? NO_BYTES : values.view(0);
  fields.values = isList ? viewsOf(values) : NONE;
}

function viewsOf(blobs: Blobs): Uint8Array[] {
  const views: Uint8Array[] = [];
  for (let i = 0; i < blobs.count; i++) views.push(blobs.view(i));
  return views;
}

/** What was read from a message in one piece, as numbers and places. False when there is too much. */
export function placeRequest(fields: RequestFields, piece: OnePiece, into: ObjectRequest): boolean {
  const { keys, values } = into;
  into.id = fields.id;
  into.operation = fields.operation;
  keys.reset(piece.region);
  values.reset(piece.region);
  if (fields.key.length !== 0) keys.addView(fields.key);
  if (fields.value.length !== 0) values.addView(fields.value);
  return placeAll(fields.keys, keys) && placeAll(fields.values, values);
}

export function placeReply(fields: ReplyFields, piece: OnePiece, into: ObjectReply): boolean {
  const { values } = into;
  into.id = fields.id;
  into.status = fields.status;
  into.isList = fields.values.length !== 0;
  values.reset(piece.region);
  if (fields.value.length !== 0) values.addView(fields.value);
  return placeAll(fields.values, values);
}

function placeAll(views: Uint8Array[], blobs: Blobs): boolean {
  for (let i = 0; i < views.length; i++) if (!blobs.addView(views[i]!)) return false;
  return true;
}
