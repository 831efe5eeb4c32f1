import asyncio

print("before", end="")
await asyncio.sleep(1000)
#> outcome: ["timeout"]
#> stdout_starts: "before"
#> limits: {"timeout": 0.5}
