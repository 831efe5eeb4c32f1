# Bytes behind the end of the linear memory, where the host's guard pages begin.
header = struct.pack("<IIIIIII", 1 << 30, id(bytearray), 2**31 - 1, 2**31 - 1, 0, 0, 0)
memory = object_at(id(header) + BYTES_DATA)
print("before", end="", flush=True)
memory[2**31 - 2]
#> preamble: "forged_objects"
#> class: "escape"
#> outcome: ["failure"]
#> stdout_starts: "before"
