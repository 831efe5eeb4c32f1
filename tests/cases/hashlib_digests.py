import hashlib

sha = hashlib.sha256()
sha.update(b"a")
sha.update(b"bc")
[
    sha.hexdigest(),
    hashlib.md5(b"abc").hexdigest(),
    hashlib.sha1(b"abc").hexdigest(),
    hashlib.sha3_256(b"").hexdigest(),
    hashlib.blake2b(b"abc").hexdigest()[:32],
    hashlib.new("sha512", b"abc").hexdigest()[:32],
]
#> value: ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "900150983cd24fb0d6963f7d28e17f72", "a9993e364706816aba3e25717850c26c9cd0d89d", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a", "ba80a53f981c4d0d6a2797b69f12f6e9", "ddaf35a193617abacc417349ae204131"]
