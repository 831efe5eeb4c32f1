import asyncio

await asyncio.sleep(1e30)
#> class: "peer denial of service"
#> outcome: ["timeout", "failure"]
#> limits: {"timeout": 0.5}
