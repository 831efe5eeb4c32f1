import asyncio

raise asyncio.CancelledError("me")
#> outcome: ["failure"]
#> error_type: ["CancelledError"]
