async def down(level):
    return await down(level + 1)


print("before", end="")
await down(0)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
