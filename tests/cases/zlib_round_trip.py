import zlib

log = ("hall motion detected\n" * 500).encode()
packed = zlib.compress(log, 9)
stream = zlib.decompressobj()
parts = [stream.decompress(packed[start : start + 10]) for start in range(0, len(packed), 10)]
try:
    zlib.decompress(b"not zlib")
except zlib.error as error:
    print(str(error).split(":")[0])
[len(log), len(packed) < 100, zlib.decompress(packed) == log, b"".join(parts) == log, zlib.crc32(b"123456789"), zlib.adler32(b"Wikipedia")]
#> value: [10500, true, true, true, 3421780262, 300286872]
#> stdout: "Error -3 while decompressing data\n"
