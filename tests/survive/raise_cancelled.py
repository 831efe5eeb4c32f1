import asyncio

raise asyncio.CancelledError("me")
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["CancelledError"]
