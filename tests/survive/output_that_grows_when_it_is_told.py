# Each of these characters takes six bytes in JSON.
print("\x01" * 2**21)
"\x01" * 170_000
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
