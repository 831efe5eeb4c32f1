async def fetch(room):
    return 21.5


_ = {room: fetch(room) for room in ["hall"]}
#> outcome: "failure"
#> error: "UnawaitedCoroutineError: Return value contains a coroutine that was never awaited: fetch()"
#> hint_contains: "await"
