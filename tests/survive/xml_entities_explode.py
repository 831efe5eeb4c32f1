import xml.etree.ElementTree as ET

entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
try:
    ET.fromstring(f'<!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">{entities}]><x>&a11;</x>')
except ET.ParseError as error:
    print(type(error).__name__)
#> class: "host denial of service"
#> outcome: ["completed", "memory_limit", "cpu_limit"]
