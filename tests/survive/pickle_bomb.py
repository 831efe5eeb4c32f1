import pickle

laugh = b"(lp0\nI1\naI2\na"
for level in range(1, 60):
    laugh += b"(lp%d\n" % level + b"g%d\na" % (level - 1) * 10
len(repr(pickle.loads(laugh + b".")))
#> class: "host denial of service"
#> outcome: ["memory_limit", "cpu_limit", "failure"]
#> limits: {"max_cpu_seconds": 1}
