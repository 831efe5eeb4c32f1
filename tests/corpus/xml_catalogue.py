import xml.etree.ElementTree as ET

XML = """<?xml version="1.0"?>
<catalog xmlns:m="urn:meta">
  <book id="b1"><title>Dune</title><price>9.99</price><m:tag>sf</m:tag></book>
  <book id="b2"><title>Emma</title><price>5</price></book>
</catalog>"""
root = ET.fromstring(XML)
books = [(b.get("id"), b.findtext("title"), float(b.findtext("price"))) for b in root.iter("book")]
print(books, sum(price for *_, price in books))
print(root.find("book/m:tag", {"m": "urn:meta"}).text)
new = ET.SubElement(root, "book", id="b3")
ET.SubElement(new, "title").text = "A & B"
ET.indent(root)
print(ET.tostring(new, encoding="unicode").strip())
try:
    ET.fromstring("<a><b></a>")
except ET.ParseError as error:
    print("ParseError", error)
#> stdout: "[('b1', 'Dune', 9.99), ('b2', 'Emma', 5.0)] 14.99\nsf\n<book id=\"b3\">\n    <title>A &amp; B</title>\n  </book>\nParseError mismatched tag: line 1, column 8\n"
