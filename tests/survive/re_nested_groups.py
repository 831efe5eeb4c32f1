import re

re.search("(" * 5000 + ")" * 5000, "text")
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError", "OverflowError", "PatternError"]
