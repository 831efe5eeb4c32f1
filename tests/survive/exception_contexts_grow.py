def again(depth):
    try:
        raise ValueError(depth)
    except ValueError:
        again(depth + 1)


again(0)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
