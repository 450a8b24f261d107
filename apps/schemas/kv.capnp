# kv.proto in Cap'n Proto. A struct around each element of a list, because capnp-es has no way to make a list's Data in place.
@0xd9a4c6f3f0a1b7e5;

struct Blob {
  bytes @0 :Data;
}

struct Request {
  id @0 :UInt32;
  operation @1 :UInt8;
  key @2 :Data;
  keys @3 :List(Blob);
  value @4 :Data;
  values @5 :List(Blob);
}

struct Reply {
  id @0 :UInt32;
  status @1 :UInt8;
  value @2 :Data;
  values @3 :List(Blob);
}
