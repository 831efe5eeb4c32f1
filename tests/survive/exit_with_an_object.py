class Code(int):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __bool__(self):
        raise ValueError

    def __str__(self):
        return "0"


raise SystemExit(Code(200))
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["SystemExit"]
