# CPython reads identifiers in their normal form: these are refused names all the same.
found = (lambda: 1).__ｇlobals__
found = ｅval("1")
found = ().__ｃlass__.__ｂases__
#> class: "escape"
#> outcome: ["completed"]
#> rejected: true
