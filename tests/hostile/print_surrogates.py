print("before \ud83d after \udcff")
"a lone \ud800 surrogate"
#> outcome: ["completed", "failure"]
#> stdout_starts: "before "
