#!/bin/sh
# Makes apps/src/kv/objects/generated from the schemas beside this file. Run it here, after `npm run build`.
# Needs Debian's flatbuffers-compiler, capnproto and protobuf-compiler; capnp-es' compiler wants TypeScript 5, which npx gets.
set -e
out=../src/kv/objects/generated
made=$(mktemp -d)
mark() { # mark FILE COMMAND: what made a file stands at its top.
  { echo "// Made by apps/schemas/generate.sh: $2. Do not edit."; cat "$1"; }
}

node ../../packages/cornflakes/bin/cornc.js kv.proto --out "$made/cornflakes"
mark "$made/cornflakes/kv.ts" 'cornc kv.proto' > "$out/cornflakes.ts"

node ../../packages/cornflakes/bin/cornc.js sessions.proto --out "$made/cornflakes"
mark "$made/cornflakes/sessions.ts" 'cornc sessions.proto' > ../src/moving/generated/sessions.ts

protoc --plugin=../../node_modules/.bin/protoc-gen-es --es_out="$made" --es_opt=target=ts,import_extension=ts kv.proto
mark "$made/kv_pb.ts" 'protoc --es_out --es_opt=target=ts' > "$out/protobuf-es.ts"

# Of several tables flatc makes several files that find each other without endings; here they are one.
flatc --ts -o "$made/flatbuffers" kv.fbs
{
  echo "import * as flatbuffers from 'flatbuffers';"
  cat "$made"/flatbuffers/kv/*.ts
} | sed -E -e '2,${/^import /d;/^\/\/ automatically/d}' -e 's/^(static (start|add)[A-Za-z]*\(.*\)) \{$/\1: void {/' \
  -e 's/^(static finish[A-Za-z]*\(.*\)) \{$/\1: void {/' > "$made/flatbuffers.ts"
mark "$made/flatbuffers.ts" 'flatc --ts kv.fbs' > "$out/flatbuffers.ts"

cp kv.capnp "$made"
(cd "$made" && npx --yes -p capnp-es@0.0.16 -p typescript@5 -- capnp-es kv.capnp -ots)
# What our compiler settings ask for and capnp-es leaves out.
sed -E -e 's/static readonly _capnp =/static override readonly _capnp: { displayName: string; id: string; size: $.ObjectSize } =/' \
  -e 's/^( *)toString\(\)/\1override toString()/' "$made/kv.ts" > "$made/capnp.ts"
mark "$made/capnp.ts" 'capnp-es kv.capnp -ots' > "$out/capnp.ts"
rm -r "$made"
