view = memoryview(bytearray(10))
view.release()
view
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
