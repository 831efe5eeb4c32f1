class Call:
    pass


Call.__call__ = Call()
Call()()
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
