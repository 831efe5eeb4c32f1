# Six bytes of JSON for each of these.
print("\x01" * 2**21)
"\x01" * 170_000
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
