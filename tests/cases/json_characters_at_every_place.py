# The JSON code processes text in blocks of 16 characters. It must agree with Python code that handles one at a time, for each
# special character, at each place in and around the blocks, next to ASCII, Latin-1 and wider characters.
import json
from json.decoder import py_scanstring, scanstring
from json.encoder import encode_basestring, encode_basestring_ascii, py_encode_basestring, py_encode_basestring_ascii

characters = "\x00\x1f !\"#[\\]~\x7f\x80\x9f\xa0\xe9\xff\b\t\n\f\r\u0100\u2028\ud800\uffff\U0001f600"
texts = [
    beside * place + character + beside * (length - place - 1)
    for length in (1, 15, 16, 17, 33)
    for place in range(length)
    for character in characters
    for beside in "a\xfc\u0101"
]
texts += ["", "a" * 1000, "\xfc" * 1000, "a" * 999 + "\n", "~" * 16 + "\x7f" * 16]
differ = []
try:
    from math import fma
except ImportError:
    says_where = False
else:
    says_where = True


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except json.JSONDecodeError as error:
        # The reported position of an invalid escape differs by one or two, as for all escapes before 3.13.
        return error.pos if says_where and "escape" not in error.msg else "refused"


def compare(ours, measure, *arguments):
    if outcome(ours, *arguments) != outcome(measure, *arguments):
        differ.append((ours.__name__, *map(ascii, arguments)))


for text in texts:
    compare(encode_basestring, py_encode_basestring, text)
    compare(encode_basestring_ascii, py_encode_basestring_ascii, text)
    for strict in (True, False):
        compare(scanstring, py_scanstring, '["' + text + '", "' + text + '"]', 2, strict)
        compare(scanstring, py_scanstring, text, 0, strict)
    if json.loads(json.dumps(text)) != text or json.loads(json.dumps(text, ensure_ascii=False)) != text:
        differ.append(("round trip", ascii(text)))
differ[:3], len(texts)
#> value: [[], 6401]
