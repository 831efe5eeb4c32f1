def lying(claimed):
    return type("Liar", (), {"__class__": property(lambda self: claimed), "__repr__": lambda self: "liar"})()


[lying(list), lying(dict), lying(int), lying(str), lying(None)]
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: ["liar", "liar", "liar", "liar", "liar"]
