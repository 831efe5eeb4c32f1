template = "{0.__class__.__mro__}"
template.format(1)
#> outcome: "failure"
#> error: "AttributeError: Attribute '__class__' is not allowed in sandbox"
#> line: 2
#> hint_contains: "Use type(x)"
