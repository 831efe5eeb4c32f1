kept = {}
while True:
    kept[len(kept)] = [len(kept)]
#> outcome: ["memory_limit"]
#> limits: {"max_memory_mb": 40}
