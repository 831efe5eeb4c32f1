class Item:
    def __lt__(self, other):
        items.clear()
        raise SystemExit(0)


items = {Item(), Item(), Item()}
items
#> class: "host denial of service"
#> outcome: ["failure", "completed"]
