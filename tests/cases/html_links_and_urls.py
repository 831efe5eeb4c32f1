from urllib.parse import urlparse, parse_qs, urlencode, urljoin, quote, unquote, urlsplit, urlunsplit
import html
from html.parser import HTMLParser

url = "https://user@example.com:8443/a/b%20c/index.html?q=caf%C3%A9&tag=x&tag=y#frag"
parts = urlparse(url)
print(parts.scheme, parts.hostname, parts.port, parts.path, parts.fragment)
print(parse_qs(parts.query))
print(urlencode({"name": "Ann & Bob", "ids": [1, 2]}, doseq=True))
print(urljoin("https://example.com/docs/guide/", "../api?x=1"))
print(quote("a b/ü"), unquote("%E2%9C%93"))
split = urlsplit(url)
print(urlunsplit(split._replace(query="", fragment="")))


class LinkExtractor(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []
        self._href = None

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self._href = dict(attrs).get("href")

    def handle_data(self, data):
        if self._href:
            self.links.append((data.strip(), self._href))

    def handle_endtag(self, tag):
        if tag == "a":
            self._href = None


page = """<html><body><h1>Links</h1>
<p>See <a href="/one">First &amp; best</a> and <a class=x href='https://two.example'>Second</a>.</p>
<script>var a = "<a href='no'>";</script></body></html>"""
parser = LinkExtractor()
parser.feed(page)
for text, href in parser.links:
    print(f"{text} -> {urljoin('https://site.example/', href)}")
print(html.escape('<b>"hi" & bye</b>'), html.unescape("&lt;&eacute;&#8364;"))
parser.links
#> value: [["First & best", "/one"], ["Second", "https://two.example"]]
#> stdout: "https example.com 8443 /a/b%20c/index.html frag\n{'q': ['café'], 'tag': ['x', 'y']}\nname=Ann+%26+Bob&ids=1&ids=2\nhttps://example.com/docs/api?x=1\na%20b/%C3%BC ✓\nhttps://user@example.com:8443/a/b%20c/index.html\nFirst & best -> https://site.example/one\nSecond -> https://two.example\n&lt;b&gt;&quot;hi&quot; &amp; bye&lt;/b&gt; <é€\n"
