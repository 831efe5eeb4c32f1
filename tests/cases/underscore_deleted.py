_ = "gone"
del _
"still here"
#> value: "still here"
