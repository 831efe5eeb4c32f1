async def down(level):
    return await down(level + 1)


print("before", end="")
await down(0)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
