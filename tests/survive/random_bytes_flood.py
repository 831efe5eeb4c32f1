import random
import secrets

sum(len(secrets.token_bytes(2_000_000)) + len(random.randbytes(100_000)) for _ in range(5))
#> class: "peer denial of service"
#> outcome: ["completed"]
#> value: 10500000
