import hashlib

hashlib.shake_128(b"x").digest(2**28)
#> class: "host denial of service"
#> outcome: ["memory_limit"]
