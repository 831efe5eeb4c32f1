import asyncio

print("before", end="")
await asyncio.sleep(1000)
#> class: "peer denial of service"
#> outcome: ["timeout"]
#> stdout_starts: "before"
#> limits: {"timeout": 0.5}
