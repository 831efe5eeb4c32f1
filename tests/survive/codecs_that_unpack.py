import codecs
import zlib

bomb = zlib.compress(zlib.compress(bytes(100_000_000)))
codecs.decode(codecs.decode(bomb, "zlib"), "zlib")
codecs.decode(codecs.decode(bomb, "zlib"), "zlib")
#> class: "host denial of service"
#> outcome: ["memory_limit", "cpu_limit"]
#> limits: {"max_cpu_seconds": 2}
