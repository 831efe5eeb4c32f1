print("\0\x1b\x7f" * 1_000_000)
"alive"
#> class: "exfiltration"
#> outcome: ["completed"]
#> value: "alive"
