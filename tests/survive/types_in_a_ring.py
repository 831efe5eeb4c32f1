# A type without a method resolution order whose bases lead in a circle: C looks for its end without calling anything.
TYPE_BASE, TYPE_MRO = 128, 172


class Ring:
    pass


header = struct.pack("<IIIIIII", 1 << 30, id(bytearray), 1 << 30, 1 << 30, 0, 0, 0)
memory = object_at(id(header) + BYTES_DATA)
ring = Ring()
struct.pack_into("<I", memory, id(Ring) + TYPE_BASE, id(Ring))
struct.pack_into("<I", memory, id(Ring) + TYPE_MRO, 0)
print("before", end="", flush=True)
isinstance(ring, int)
#> preamble: "forged_objects"
#> class: "peer denial of service"
#> outcome: ["timeout"]
#> stdout_starts: "before"
#> limits: {"timeout": 0.5}
