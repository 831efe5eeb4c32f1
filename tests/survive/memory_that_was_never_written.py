# Memory beyond the image is new to this execution. Anything that another execution left there would be visible.
import array

big = bytearray(64 << 20)
small = [bytearray(100_000) for _ in range(100)]
[len(big) - big.count(0), sum(100_000 - each.count(0) for each in small), len(bytes(array.array("B", bytes(1_000_000))).strip(b"\0"))]
#> class: "host leak"
#> outcome: ["completed"]
#> value: [0, 0, 0]
#> guarded_value: [0, 0, 0]
