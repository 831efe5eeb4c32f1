class Number(str):
    def __len__(self):
        return -1

    def __getitem__(self, index):
        return self

    def __add__(self, other):
        return other

    def encode(self, *args):
        raise SystemExit(0)


class Odd(Exception):
    def __str__(self):
        return Number("odd")


raise Odd
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["Odd"]
