from enum import Enum


class Mode(Enum):
    ON = 1


Mode.ON._value_ = Mode.ON
Mode.ON
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError", "ValueError"]
