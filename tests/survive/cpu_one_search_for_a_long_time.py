text, pattern = "ab" * 5_000_000, "ba" * 2_500_000 + "c"
for _ in range(10**6):
    pattern in text
#> class: "peer denial of service"
#> outcome: ["cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
