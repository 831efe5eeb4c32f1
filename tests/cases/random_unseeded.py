import random
import secrets

a, b = random.getrandbits(64), random.getrandbits(64)
token = secrets.token_hex(16)
[a != b, 0 <= random.random() < 1, len(token), type(secrets.token_bytes(8)).__name__, secrets.randbelow(1), len(secrets.token_urlsafe(32)), secrets.choice("a"), token != secrets.token_hex(16)]
#> value: [true, true, 32, "bytes", 0, 43, "a", true]
