text = "".join(map(chr, [0, 9, 10, 31, 34, 92, 127, 0x2028, 0xFFFD, 0x1F600]))
[text, "é", "日本"]
#> value: ["\u0000\t\n\u001f\"\\\u007f\u2028\ufffd\ud83d\ude00", "é", "日本"]
