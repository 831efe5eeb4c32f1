# All of the linear memory as one bytearray: what was ever in it of the host, or of another execution?
readable = 39 << 20
header = struct.pack("<IIIIIII", 1 << 30, id(bytearray), readable, readable, 0, 0, 0)
memory = object_at(id(header) + BYTES_DATA)
place = memory.find(b"CANARY")
while place >= 0:
    print(memory[place : place + 80])
    place = memory.find(b"CANARY", place + 6)
len(memory) == readable and memory.count(b"CANARY") > 0
#> preamble: "forged_objects"
#> class: "host leak"
#> outcome: ["completed"]
#> value: true
