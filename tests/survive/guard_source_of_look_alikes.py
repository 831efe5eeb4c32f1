# CPython normalises identifiers (NFKC), so these are refused names too.
found = (lambda: 1).__ｇlobals__
found = ｅval("1")
found = ().__ｃlass__.__ｂases__
#> class: "escape"
#> outcome: ["completed"]
#> rejected: true
