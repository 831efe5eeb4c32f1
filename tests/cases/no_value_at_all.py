devices = ["lamp", "fan"]
for device in devices:
    print(device)
#> value: null
#> repr: false
#> stdout: "lamp\nfan\n"
