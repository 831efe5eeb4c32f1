import asyncio

print("before", end="")
await asyncio.get_running_loop().create_future()
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RuntimeError"]
#> stdout_starts: "before"
