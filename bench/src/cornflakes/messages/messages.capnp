# messages.proto for Cap'n Proto.
@0xb1d2c3a4f5e60718;

struct Tick {
  id @0 :UInt32;
  quantity @1 :Int32;
  price @2 :Float64;
  buy @3 :Bool;
  venue @4 :UInt32;
  sequence @5 :UInt64;
  weight @6 :Float32;
  kind @7 :UInt32;
}

struct Single {
  id @0 :UInt32;
  val @1 :Data;
}

struct Blob {
  val @0 :Data;
}

struct Many {
  id @0 :UInt32;
  vals @1 :List(Blob);
}
