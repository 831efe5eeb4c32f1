from datetime import date
from enum import Enum


class Mode(Enum):
    HEAT = "heat"


{1: "int", 1.5: "float", None: "none", False: "bool", (1, 2): "tuple", date(2025, 3, 9): "date", Mode.HEAT: "enum", "s": "str"}
#> value: {"1": "int", "1.5": "float", "None": "none", "False": "bool", "(1, 2)": "tuple", "2025-03-09": "date", "Mode.HEAT": "enum", "s": "str"}
#> repr: false
