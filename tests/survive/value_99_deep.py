value = 1
for _ in range(99):
    value = [value]
len(str(value))
_ = value
#> class: "host denial of service"
#> outcome: ["completed"]
