ring = [[]]
for _ in range(10):
    ring[0].append(ring)
ring
#> outcome: ["failure"]
#> error_type: ["ValueError"]
