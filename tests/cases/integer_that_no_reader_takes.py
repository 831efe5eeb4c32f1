print("before")
[10**4299, {"a": -(10**4300)}]
#> outcome: "failure"
#> error: "ValueError: Return value contains an integer of more than 4300 digits: send it as hex() text"
#> stdout: "before\n"
