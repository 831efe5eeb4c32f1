def key(item):
    return sorted([item], key=key)


print("before", end="")
key(1)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
