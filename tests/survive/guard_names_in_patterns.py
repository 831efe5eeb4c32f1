match (lambda: 1):
    case object(__globals__=found):
        found["__builtins__"]
#> class: "escape"
#> outcome: ["completed"]
#> rejected: true
