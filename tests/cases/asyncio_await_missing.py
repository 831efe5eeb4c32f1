async def temperature():
    return 21.5


celsius = temperature()
print(celsius + 1)
#> outcome: "failure"
#> error: "TypeError: unsupported operand type(s) for +: 'coroutine' and 'int'"
#> line: 6
#> hint_contains: "await"
