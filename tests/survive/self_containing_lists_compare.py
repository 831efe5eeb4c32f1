a, b = [], []
a.append(b)
b.append(a)
c = [[]]
c[0].append(c)
a == c
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
