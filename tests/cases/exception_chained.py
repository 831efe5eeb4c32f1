def read(states, name):
    try:
        return states[name]
    except KeyError as error:
        raise LookupError(f"no state of {name}") from error


read({}, "lamp")
#> outcome: "failure"
#> error: "LookupError: no state of lamp"
#> line: 5
