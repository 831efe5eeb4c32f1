import collections

ring = collections.deque()
ring.append({"in": (ring,)})
print("before", end="")
ring
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
#> stdout_starts: "before"
