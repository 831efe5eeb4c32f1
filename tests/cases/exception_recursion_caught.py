def depth(tree):
    return 1 + depth([tree])


try:
    depth([])
except RecursionError as error:
    print(type(error).__name__)
    "recovered"
#> value: "recovered"
#> stdout: "RecursionError\n"
