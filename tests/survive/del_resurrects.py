class Undead:
    def __del__(self):
        graveyard.append(self)


graveyard = []
for _ in range(10_000):
    undead = Undead()
    undead.itself = undead
    del undead
    if graveyard:
        graveyard.pop()
"alive"
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: "alive"
