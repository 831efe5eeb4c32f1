class Lamp:
    def __repr__(self):
        return "<lamp>"


{"devices": [Lamp(), 1], "function": len, "type": int}
#> value: {"devices": ["<lamp>", 1], "function": "<built-in function len>", "type": "<class 'int'>"}
#> repr: true
