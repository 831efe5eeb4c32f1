print("so far, so good")
"x" * 2_000_000
#> outcome: "failure"
#> error: "ValueError: Return value is 2000002 bytes; limit is 1048576 bytes"
#> value: null
#> stdout: "so far, so good\n"
