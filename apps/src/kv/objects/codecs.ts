// Finds the codec of a protocol. Each brings its library with it, so only the one that is wanted is loaded.

import type { Codec, CodecOptions } from './messages.ts';
import type { ObjectProtocol } from './protocol.ts';

/** The codec of a protocol, new. */
export async function loadCodec(protocol: ObjectProtocol, options: CodecOptions = {}): Promise<Codec> {
  switch (protocol) {
    case 'cornflakes':
      return new (await import('./codecs/cornflakes.ts')).CornflakesCodec(options);
    case 'protobufjs':
      return new (await import('./codecs/protobufjs.ts')).ProtobufjsCodec();
    case 'protobuf-es':
      return new (await import('./codecs/protobuf-es.ts')).ProtobufEsCodec();
    case 'flatbuffers':
      return new (await import('./codecs/flatbuffers.ts')).FlatbuffersCodec();
    case 'capnp':
      return new (await import('./codecs/capnp.ts')).CapnpCodec();
    case 'json':
      return new (await import('./codecs/json.ts')).JsonCodec();
    case 'raw':
      return new (await import('./codecs/raw.ts')).RawCodec();
  }
}
