with open("/tmp/hole", "wb") as file:
    file.truncate(4_000_000_000)
with open("/tmp/hole", "rb") as file:
    file.read()
#> class: "self denial of service"
#> outcome: ["failure", "memory_limit"]
