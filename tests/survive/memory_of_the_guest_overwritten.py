# All of the linear memory as one bytearray, and all of it overwritten.
writable = 25 << 20
header = struct.pack("<IIIIIII", 1 << 30, id(bytearray), writable, writable, 0, 0, 0)
memory = object_at(id(header) + BYTES_DATA)
print("before", end="", flush=True)
memory[:] = b"\xff" * writable
#> preamble: "forged_objects"
#> class: "escape"
#> outcome: ["failure"]
#> stdout_starts: "before"
