# A set whose table has no empty entry: looking for what is not in it goes round for ever, without calling anything.
header = struct.pack("<IIIIIII", 1 << 30, id(bytearray), 1 << 30, 1 << 30, 0, 0, 0)
memory = object_at(id(header) + BYTES_DATA)
numbers = set(range(5))
# Of the object: the mask at 16, the table at 20. Of an entry: the key, then its hash.
mask, table = struct.unpack_from("<II", memory, id(numbers) + 16)
key, _ = struct.unpack_from("<II", memory, table)
for entry in range(mask + 1):
    struct.pack_into("<II", memory, table + 8 * entry, key, 12345)
print("before", end="", flush=True)
99 in numbers
#> preamble: "forged_objects"
#> class: "peer denial of service"
#> outcome: ["cpu_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.4}
