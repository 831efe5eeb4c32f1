import array
import io

caught = 0
data = bytearray(1000)
view = memoryview(data)
for change in (data.clear, lambda: data.extend(b"x" * 10**6), lambda: data.__delitem__(slice(0, 900)), lambda: data.__init__(5)):
    try:
        change()
    except BufferError:
        caught += 1
stream = io.BytesIO(b"x" * 1000)
with stream.getbuffer():
    for change in (stream.close, lambda: stream.truncate(0), lambda: stream.write(b"y" * 10**6)):
        try:
            change()
        except BufferError:
            caught += 1
numbers = array.array("B", bytes(1000))
with memoryview(numbers):
    try:
        numbers.extend([1] * 10**6)
    except BufferError:
        caught += 1
for shape in ([2**31, 2], [-1], [0, 2**62], [5]):
    try:
        memoryview(bytes(1000)).cast("B", shape)
    except (TypeError, ValueError, OverflowError):
        caught += 1
caught
#> class: "escape"
#> outcome: ["completed"]
#> value: 12
