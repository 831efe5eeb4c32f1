class Call:
    pass


Call.__call__ = Call()
Call()()
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
