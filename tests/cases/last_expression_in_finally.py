try:
    1
finally:
    "cleaned up"
#> value: "cleaned up"
