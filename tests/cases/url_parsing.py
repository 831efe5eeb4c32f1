from urllib.parse import parse_qs, quote, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

url = urlsplit("https://user@home.example:8123/api/states?entity=light.hall&on=1&on=2#top")
[
    url.hostname, url.port, url.path, parse_qs(url.query), urlencode({"q": "a b&c", "n": [1, 2]}, doseq=True), quote("Küche/1", safe=""), unquote_plus("a+b%21"),
    urljoin("http://h/a/b", "../c"), urlunsplit(("http", "h", "/p", "", "f")),
]
#> value: ["home.example", 8123, "/api/states", {"entity": ["light.hall"], "on": ["1", "2"]}, "q=a+b%26c&n=1&n=2", "K%C3%BCche%2F1", "a b!", "http://h/c", "http://h/p#f"]
