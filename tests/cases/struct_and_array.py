import array
import struct

packet = struct.pack(">HBf", 513, 7, 21.5)
numbers = array.array("h", [1, -2, 3])
numbers.append(4)
[packet.hex(), struct.unpack(">HBf", packet), struct.calcsize("<IQ"), int.from_bytes(b"\x01\x00", "little"), (1024).to_bytes(2, "big").hex(), numbers.tolist(), sum(memoryview(b"\x01\x02"))]
#> value: ["02010741ac0000", [513, 7, 21.5], 12, 1, "0400", [1, -2, 3, 4], 3]
