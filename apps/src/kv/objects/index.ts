// The object protocol of the key-value store, for servers, clients and benchmarks: `@demikernel/apps/kv-objects`.

export { Blobs } from './blobs.ts';
export { loadCodec } from './codecs.ts';
export { type Codec, type CodecOptions, ObjectReply, ObjectRequest } from './messages.ts';
export { ObjectServer, type ObjectServerOptions } from './object-server.ts';
export { ObjectService } from './object-service.ts';
export { ObjectStore, type ObjectStoreOptions } from './object-store.ts';
export { Outbox, PREFIX_BYTES } from './outbox.ts';
export * from './protocol.ts';
