def depth(tree):
    return 1 + depth([tree])


print("before")
depth([])
#> outcome: "failure"
#> error: "RecursionError: maximum recursion depth exceeded"
#> line: 2
#> hint_contains: "loop"
#> stdout: "before\n"
