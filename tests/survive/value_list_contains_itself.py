ring = [[]]
for _ in range(10):
    ring[0].append(ring)
ring
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
