import random

generator = random.Random(42)
values = [generator.randint(1, 100) for _ in range(5)]
deck = list(range(5))
random.Random(1).shuffle(deck)
random.seed("home")
once = random.random()
random.seed("home")
[values, deck, random.Random(0).random(), once == random.random(), random.Random(3).choices("ab", k=4), sorted(random.sample(range(3), 3))]
#> value: [[82, 15, 4, 95, 36], [2, 3, 4, 0, 1], 0.8444218515250481, true, ["a", "b", "a", "b"], [0, 1, 2]]
