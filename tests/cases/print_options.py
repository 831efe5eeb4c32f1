print("a", 1, None, sep="-", end=";")
print()
print(*"xyz", flush=True)
print("tab\there", "quote\"", sep="")
print([1.0, {"k": (1,)}], {"s"})
#> stdout: "a-1-None;\nx y z\ntab\therequote\"\n[1.0, {'k': (1,)}] {'s'}\n"
#> value: null
