// libibverbs and librdmacm as typed functions, loaded on first use. Objects are native addresses as numbers; what they mean is in
// the files beside this one.

import { DemiError } from '@demikernel/memory';
import type { Address, NativeLibrary } from '../kernel/library.ts';
import { koffi } from '../kernel/library.ts';

export interface VerbsLibrary {
  ibv_alloc_pd(context: Address): Address;
  ibv_dealloc_pd(domain: Address): number;
  ibv_reg_mr(domain: Address, address: Address, lengthBytes: number, access: number): Address;
  ibv_dereg_mr(region: Address): number;
  ibv_create_comp_channel(context: Address): Address;
  ibv_destroy_comp_channel(channel: Address): number;
  ibv_create_cq(context: Address, entries: number, own: Address, channel: Address, vector: number): Address;
  ibv_destroy_cq(queue: Address): number;
  ibv_get_cq_event(channel: Address, queue: Address, own: Address): number;
  ibv_ack_cq_events(queue: Address, count: number): number;
  ibv_create_srq(domain: Address, attributes: Address): Address;
  ibv_destroy_srq(queue: Address): number;
  ibv_get_device_name(device: Address): string;
  rdma_get_devices(count: Address): Address;
  rdma_free_devices(list: Address): number;
  rdma_create_event_channel(): Address;
  rdma_destroy_event_channel(channel: Address): number;
  rdma_create_id(channel: Address, id: Address, own: Address, space: number): number;
  rdma_destroy_id(id: Address): number;
  rdma_bind_addr(id: Address, address: Address): number;
  rdma_listen(id: Address, backlog: number): number;
  rdma_resolve_addr(id: Address, from: Address, to: Address, timeoutMs: number): number;
  rdma_resolve_route(id: Address, timeoutMs: number): number;
  rdma_create_qp(id: Address, domain: Address, attributes: Address): number;
  rdma_destroy_qp(id: Address): number;
  rdma_connect(id: Address, parameters: Address): number;
  rdma_accept(id: Address, parameters: Address): number;
  rdma_reject(id: Address, data: Address, lengthBytes: number): number;
  rdma_disconnect(id: Address): number;
  rdma_get_cm_event(channel: Address, event: Address): number;
  rdma_ack_cm_event(event: Address): number;
}

// P an address as an integer, I an int, L a size, S a string, V nothing: the result first.
const SIGNATURES: Readonly<Record<keyof VerbsLibrary, string>> = {
  ibv_alloc_pd: 'PP',
  ibv_dealloc_pd: 'IP',
  ibv_reg_mr: 'PPPLI',
  ibv_dereg_mr: 'IP',
  ibv_create_comp_channel: 'PP',
  ibv_destroy_comp_channel: 'IP',
  ibv_create_cq: 'PPIPPI',
  ibv_destroy_cq: 'IP',
  ibv_get_cq_event: 'IPPP',
  ibv_ack_cq_events: 'VPI',
  ibv_create_srq: 'PPP',
  ibv_destroy_srq: 'IP',
  ibv_get_device_name: 'SP',
  rdma_get_devices: 'PP',
  rdma_free_devices: 'VP',
  rdma_create_event_channel: 'P',
  rdma_destroy_event_channel: 'VP',
  rdma_create_id: 'IPPPI',
  rdma_destroy_id: 'IP',
  rdma_bind_addr: 'IPP',
  rdma_listen: 'IPI',
  rdma_resolve_addr: 'IPPPI',
  rdma_resolve_route: 'IPI',
  rdma_create_qp: 'IPPP',
  rdma_destroy_qp: 'VP',
  rdma_connect: 'IPP',
  rdma_accept: 'IPP',
  rdma_reject: 'IPPI',
  rdma_disconnect: 'IP',
  rdma_get_cm_event: 'IPP',
  rdma_ack_cm_event: 'IP',
};
const TYPES: Readonly<Record<string, string>> = {
  P: 'uintptr_t',
  I: 'int',
  L: 'int64_t',
  S: 'const char *',
  V: 'void',
};

let loaded: VerbsLibrary | undefined;

/** @throws ERR_DEMI_UNSUPPORTED where rdma-core is not installed, ERR_DEMI_PLATFORM */
export function verbsLibrary(): VerbsLibrary {
  if (loaded !== undefined) return loaded;
  const door = koffi();
  let libraries: NativeLibrary[];
  try {
    libraries = [door.load('libibverbs.so.1'), door.load('librdmacm.so.1')];
  } catch (cause) {
    const advice = 'apt-get install librdmacm1 ibverbs-providers';
    throw new DemiError('ERR_DEMI_UNSUPPORTED', `RDMA takes libibverbs and librdmacm (${advice})`, { cause });
  }
  const bound: Record<string, unknown> = {};
  for (const [name, signature] of Object.entries(SIGNATURES)) {
    const [result, ...args] = signature.split('').map(letter => TYPES[letter]!);
    bound[name] = libraries[name.startsWith('ibv_') ? 0 : 1]!.func(name, result!, args);
  }
  loaded = bound as unknown as VerbsLibrary;
  return loaded;
}

/** What verbs.h calls through the table of a context: post_send and its like, `int f(void *, X, void *)`. */
export type VerbsCall = (object: Address, second: Address, third: Address) => number;

let pointerCall: unknown;
let numberCall: unknown;

/** The function behind an address. @param second whether its second argument is an address or an int */
export function verbsCall(address: bigint, second: 'address' | 'int'): VerbsCall {
  pointerCall ??= koffi().proto('int demi_verbs_p(uintptr_t, uintptr_t, uintptr_t)');
  numberCall ??= koffi().proto('int demi_verbs_n(uintptr_t, int, uintptr_t)');
  return koffi().decode(address, second === 'int' ? numberCall : pointerCall) as VerbsCall;
}
