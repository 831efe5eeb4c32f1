kept = {}
while True:
    kept[len(kept)] = [len(kept)]
#> class: "host denial of service"
#> outcome: ["memory_limit"]
#> limits: {"max_memory_mb": 56}
