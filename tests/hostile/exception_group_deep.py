group = ValueError("inside")
for level in range(5000):
    group = ExceptionGroup(f"level {level}", [group])
raise group
#> outcome: ["failure"]
#> error_type: ["ExceptionGroup"]
