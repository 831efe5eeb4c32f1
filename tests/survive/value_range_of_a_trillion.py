{"range": range(10**12)}
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
