print("before \ud83d after \udcff")
"a lone \ud800 surrogate"
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
#> stdout_starts: "before "
