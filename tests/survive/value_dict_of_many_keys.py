{str(n): n for n in range(200_000)}
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
