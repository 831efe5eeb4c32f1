# The same, by way of all of memory: each step waits for memory that no cache holds. The CPU budget is over first.
TYPE_BASE, TYPE_MRO = 128, 172


class Ring:
    pass


header = struct.pack("<IIIIIII", 1 << 30, id(bytearray), 1 << 30, 1 << 30, 0, 0, 0)
memory = object_at(id(header) + BYTES_DATA)
ring, room = Ring(), bytearray(76 << 20)
# The data of a bytearray begins somewhere behind its pointer to it, at offset 20.
(first,) = struct.unpack_from("<I", memory, id(room) + 20)
step, count = 4096 + 64, (76 << 20) // (4096 + 64) - 1
place = [first + n * 7919 % count * step for n in range(count)]
for here, there in zip(place, place[1:] + place[:1]):
    struct.pack_into("<I", memory, here + TYPE_BASE, there)
struct.pack_into("<I", memory, id(Ring) + TYPE_BASE, place[0])
struct.pack_into("<I", memory, id(Ring) + TYPE_MRO, 0)
print("before", end="", flush=True)
isinstance(ring, int)
#> preamble: "forged_objects"
#> class: "peer denial of service"
#> outcome: ["cpu_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.6}
