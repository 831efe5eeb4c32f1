devices = ["lamp", "fan"]
len(devices)
print("done")
devices.sort()
None
#> value: 2
#> stdout: "done\n"
