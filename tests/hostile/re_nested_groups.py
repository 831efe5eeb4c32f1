import re

re.search("(" * 5000 + ")" * 5000, "text")
#> outcome: ["failure"]
#> error_type: ["RecursionError", "OverflowError", "PatternError"]
