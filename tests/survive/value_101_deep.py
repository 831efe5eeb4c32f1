value = 1
for _ in range(101):
    value = (value,)
_ = value
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
