import hashlib

keys = [
    hashlib.pbkdf2_hmac(name, b"password", b"salt", 3, 20).hex()
    for name in ("sha256", "sha512", "sha1", "sha224", "sha384", "md5", "sha3_256", "blake2b", "SHA256")
]
keys.append(hashlib.pbkdf2_hmac("sha256", b"p" * 200, b"s" * 200, 100_000).hex()[:16])
keys.append(hashlib.scrypt(b"password", salt=b"NaCl", n=1024, r=8, p=4, dklen=16).hex())
errors = []
for wrong in (
    lambda: hashlib.pbkdf2_hmac("sha256", "text", b"salt", 1),
    lambda: hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 0),
    lambda: hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1, dklen=0),
    lambda: hashlib.pbkdf2_hmac("sha256", b"password", b"salt"),
    lambda: hashlib.scrypt(b"password"),
    lambda: hashlib.scrypt(b"password", salt=b"NaCl", n=3, r=1, p=1),
    lambda: hashlib.scrypt(b"password", salt=b"NaCl", n=1 << 20, r=8, p=1),
):
    try:
        wrong()
    except (TypeError, ValueError) as error:
        errors.append(f"{type(error).__name__}: {error}")
[keys, errors]
#> value: [["ad35240ac683febfaf3cd49d845473fbbbaa2437", "b6b07cb2cebf4ad84468391a543824fccffe0e07", "6b4e26125c25cf21ae35ead955f479ea2e71f6ff", "947cf079cfc7f2016dcd7ec418840443edaabb90", "1bfb451b6087e5d24eeffb57d7284448da95b581", "f6acd4bda3e4d3d831a5f61da9ca9d5c3877566e", "6677065466c97fdef1c15ae8d95020ca948334f5", "0543fd2a48f0d9ecdec59863cf9234bfbb1d35cc", "ad35240ac683febfaf3cd49d845473fbbbaa2437", "034430947a061405", "1ed1b3814e7bd065fea1b64fa617fb05"], ["TypeError: a bytes-like object is required, not 'str'", "ValueError: iteration value must be greater than 0.", "ValueError: key length must be greater than 0.", "TypeError: pbkdf2_hmac() missing required argument 'iterations' (pos 4)", "TypeError: salt is required", "ValueError: n must be a power of 2.", "ValueError: [digital envelope routines] memory limit exceeded"]]
