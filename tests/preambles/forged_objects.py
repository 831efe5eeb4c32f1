# `object_at(address)`: what lies at an address, taken for an object. With it, a program reads and writes all of its memory.
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
