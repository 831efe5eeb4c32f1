a, b = ValueError("a"), KeyError("b")
a.__context__, b.__context__ = b, a
a.__cause__, b.__cause__ = b, b
raise a
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
