print("before", end="")
"é\n" * 5_000_000
#> outcome: ["failure"]
#> error_type: ["ValueError"]
#> stdout_starts: "before"
