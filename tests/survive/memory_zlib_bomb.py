import zlib

packer = zlib.compressobj(9, zlib.DEFLATED, -15)
block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
bomb = block * 500
print(len(bomb) < 2_000_000)
zlib.decompress(bomb, -15)
#> class: "host denial of service"
#> outcome: ["memory_limit"]
#> stdout_starts: "True"
