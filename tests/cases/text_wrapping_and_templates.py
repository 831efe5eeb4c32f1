import html
import string
import textwrap

note = """
    Dear home,
      lights off.
"""
[
    textwrap.dedent(note).strip(),
    textwrap.fill("the quick brown fox jumps", width=10),
    textwrap.shorten("the lamp in the hall is on", 16, placeholder=" …"),
    textwrap.indent("a\nb", "> "),
    string.Template("$room is ${temp}° for $$5 $missing").safe_substitute(room="hall", temp=21),
    string.capwords("living room"),
    html.escape('<b a="1">&</b>'),
    html.unescape("&lt;21&deg;&#39;"),
]
#> value: ["Dear home,\n  lights off.", "the quick\nbrown fox\njumps", "the lamp in …", "> a\n> b", "hall is 21° for $5 $missing", "Living Room", "&lt;b a=&quot;1&quot;&gt;&amp;&lt;/b&gt;", "<21°'"]
