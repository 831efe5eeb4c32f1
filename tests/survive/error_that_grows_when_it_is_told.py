raise type("\x01" * 10**6, (Exception,), {})("\x01\x02" * 10**6)
#> class: "host denial of service"
#> outcome: ["failure"]
