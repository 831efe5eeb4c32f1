print("before", end="")
"é\n" * 5_000_000
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
#> stdout_starts: "before"
