class Item:
    def __lt__(self, other):
        items.clear()
        raise SystemExit(0)


items = {Item(), Item(), Item()}
items
#> outcome: ["failure", "completed"]
