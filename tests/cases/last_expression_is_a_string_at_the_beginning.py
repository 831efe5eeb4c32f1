"a"
print("b")
#> value: "a"
#> stdout: "b\n"
