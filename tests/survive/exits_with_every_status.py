import os
import sys

for status in (256, -1, 2**31, 2**63, None, "text", 1.5, [], object()):
    try:
        sys.exit(status)
    except SystemExit:
        pass
os._exit(2**31 - 1)
#> class: "self denial of service"
#> outcome: ["failure"]
