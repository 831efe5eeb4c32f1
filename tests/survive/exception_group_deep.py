group = ValueError("inside")
for level in range(5000):
    group = ExceptionGroup(f"level {level}", [group])
raise group
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ExceptionGroup"]
