room = {"name": "hall"}
room["neighbours"] = [room]
print("built")
room
#> outcome: "failure"
#> error: "ValueError: Return value contains a circular reference"
#> value: null
#> stdout: "built\n"
