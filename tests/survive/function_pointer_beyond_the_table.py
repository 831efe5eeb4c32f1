# A function pointer that is no index of the table.
kind = bytearray(struct.pack("<I", 0x7fffffff) * 120)
kind[0:4], kind[4:8] = struct.pack("<I", 1 << 30), struct.pack("<I", id(type))
kind = bytes(kind)
thing = struct.pack("<II", 1 << 30, id(kind) + BYTES_DATA)
print("before", end="", flush=True)
repr(object_at(id(thing) + BYTES_DATA))
#> preamble: "forged_objects"
#> class: "escape"
#> outcome: ["failure"]
#> stdout_starts: "before"
