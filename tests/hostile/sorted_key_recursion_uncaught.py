def key(item):
    return sorted([item], key=key)


print("before", end="")
key(1)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
