async def fetch():
    return 21.5


print("asking")
fetch()
#> outcome: "failure"
#> error: "UnawaitedCoroutineError: Return value contains a coroutine that was never awaited: fetch()"
#> hint_contains: "await"
#> value: null
#> stdout: "asking\n"
