raise type("x" * 10**6, (Exception,), {})
#> class: "host denial of service"
#> outcome: ["failure"]
