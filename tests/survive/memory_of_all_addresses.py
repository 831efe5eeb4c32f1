import ipaddress

list(ipaddress.ip_network("::/0"))
#> class: "host denial of service"
#> outcome: ["memory_limit", "cpu_limit"]
#> limits: {"max_cpu_seconds": 1}
