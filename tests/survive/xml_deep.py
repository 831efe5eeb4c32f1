import xml.etree.ElementTree as ET

tree = ET.fromstring("<a>" * 100_000 + "</a>" * 100_000)
print("parsed", end="")
try:
    ET.tostring(tree)
except RecursionError:
    pass
del tree
#> class: "host denial of service"
#> outcome: ["completed", "failure", "memory_limit"]
