for number in range(100_000):
    open(f"/tmp/{number}", "w").close()
open("/tmp/99999").read()
#> class: "self denial of service"
#> outcome: ["completed", "failure", "cpu_limit", "timeout", "memory_limit"]
#> limits: {"max_cpu_seconds": 2}
