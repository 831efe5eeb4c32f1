import os

for descriptor in range(2000):
    try:
        os.close(descriptor)
    except OSError:
        pass
open("/tmp/x", "w").write("still here")
open("/tmp/x").read()
#> class: "self denial of service"
#> outcome: ["completed", "failure"]
