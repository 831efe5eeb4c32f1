texts = {
    "你好，世界": "gb2312 gbk gb18030 hz big5 big5hkscs cp950",
    "こんにちは世界": "euc_jp euc_jis_2004 euc_jisx0213 iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext"
    " shift_jis shift_jis_2004 shift_jisx0213 cp932",
    "안녕하세요": "euc_kr cp949 johab iso2022_kr iso2022_jp_2",
}
lost = [(text, name) for text, names in texts.items() for name in names.split() if text.encode(name).decode(name) != text]
try:
    "你".encode("shift_jis_2004", "strict").decode("gbk").encode("latin-1")
except UnicodeError as error:
    print(type(error).__name__)
[lost, "日本".encode("shift_jis").hex(), "中".encode("gbk").hex(), b"\xa4\xa4".decode("big5"), b"\xff".decode("euc_kr", "replace"), "中".encode("ascii", "replace").decode()]
#> value: [[], "93fa967b", "d6d0", "\u4e2d", "\ufffd", "?"]
#> stdout: "UnicodeEncodeError\n"
