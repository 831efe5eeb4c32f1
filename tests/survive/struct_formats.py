import struct

caught = 0
for attempt in (lambda: struct.calcsize("9" * 30 + "x"), lambda: struct.pack("2147483647s", b""), lambda: struct.calcsize("i" * 100_000_000), lambda: struct.unpack_from("I", b"", -(2**62)), lambda: struct.pack_into("I", bytearray(4), 2**31, 1), lambda: struct.Struct("x" * 10**6 + "?").pack(1)):
    try:
        attempt()
    except Exception:
        caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 5
