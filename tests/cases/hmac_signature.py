import hashlib
import hmac

key = b"\x0b" * 20
signature = hmac.new(key, b"Hi There", hashlib.sha256).hexdigest()
[signature, hmac.compare_digest(signature, signature), hmac.digest(b"Jefe", b"what do ya want for nothing?", "sha256").hex()[:16]]
#> value: ["b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", true, "5bdcc146bf60754e"]
