raise type("x" * 10**6, (Exception,), {})
#> outcome: ["failure"]
