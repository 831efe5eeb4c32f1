states = {"lamp": {"on": True}, "fan": {"on": False}}
text = f"{", ".join(f"{name}: {"on" if state["on"] else "off"}" for name, state in states.items())}"
lines = f"{'\n'.join(["a", "b"])}"  # a backslash inside the braces
[text, lines, f"{f"{f"{1 + 1}"}"}"]
#> value: ["lamp: on, fan: off", "a\nb", "2"]
#> host: "needs Python 3.12"
