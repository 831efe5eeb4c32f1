class Text(str):
    def __getitem__(self, index):
        return self

    def __str__(self):
        return 1


class Kind:
    def __repr__(self):
        return Text("x" * 3_000_000)


Kind()
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
