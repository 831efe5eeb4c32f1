text = "  Living Room: 21.5°C  "
name, _, value = text.strip().partition(": ")
_ = [
    name.casefold(), value.removesuffix("°C"), "light.hall".rsplit(".", 1), "a,b,,c".split(","), "-".join("abc"), "42".zfill(5), "x".center(5, "*"),
    "tür".capitalize(), "ab\ncd\r\nef".splitlines(), "hello".translate(str.maketrans("el", "ip", "o")), "abcabc".rfind("b"), "Room 12".swapcase(), "١٢".isdecimal(), int("١٢"),
]
#> value: ["living room", "21.5", ["light", "hall"], ["a", "b", "", "c"], "a-b-c", "00042", "**x**", "Tür", ["ab", "cd", "ef"], "hipp", 4, "rOOM 12", true, 12]
