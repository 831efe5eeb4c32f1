view = memoryview(bytearray(10))
view.release()
view
#> outcome: ["failure"]
#> error_type: ["ValueError"]
