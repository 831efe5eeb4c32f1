first, *middle, last = [1, 2, 3, 4]
(a, [b, *c]), d = (1, "xyz"), 2
defaults = {"level": 50, "colour": "warm"}
merged = {**defaults, "level": 80} | {"on": True}


def call(*args, **kwargs):
    return len(args), kwargs


[first, middle, last, a, b, c, d, merged, [*range(2), *"ab"], call(*middle, *c, **defaults), (*{1: 0},)]
#> value: [1, [2, 3], 4, 1, "x", ["y", "z"], 2, {"level": 80, "colour": "warm", "on": true}, [0, 1, "a", "b"], [4, {"level": 50, "colour": "warm"}], [1]]
