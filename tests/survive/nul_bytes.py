print("a\0b\x1b[31m\x07")
{"\0": "\0\x01\x7f", "n": b"\0"}
#> class: "exfiltration"
#> outcome: ["completed"]
#> value: {"\u0000": "\u0000\u0001\u007f", "n": "\u0000"}
#> stdout_starts: "a\u0000b\u001b[31m\u0007\n"
