import binascii
import codecs

data = "Grüße".encode("utf-8")
print(binascii.hexlify(data), binascii.unhexlify("0aff"), binascii.crc32(b"hello"))
print(codecs.encode("Hello", "rot13"), codecs.decode("Uryyb", "rot_13"))
print(codecs.lookup("latin-1").name, codecs.BOM_UTF8)
decoder = codecs.getincrementaldecoder("utf-8")()
print([decoder.decode(bytes([b])) for b in data])
print(b"caf\xc3".decode("utf-8", errors="replace"), "naïve".encode("ascii", "xmlcharrefreplace"))
#> stdout: "b'4772c3bcc39f65' b'\\n\\xff' 907060870\nUryyb Hello\niso8859-1 b'\\xef\\xbb\\xbf'\n['G', 'r', '', 'ü', '', 'ß', 'e']\ncaf� b'na&#239;ve'\n"
