chunk = b"x" * 1_000_000
with open("/tmp/large", "wb") as file:
    while True:
        file.write(chunk)
#> class: "self denial of service"
#> outcome: ["failure", "memory_limit"]
