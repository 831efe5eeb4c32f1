import logging
import io
import sys

stream = io.StringIO()
logger = logging.getLogger("pipeline")
logger.setLevel(logging.DEBUG)
handler = logging.StreamHandler(stream)
handler.setFormatter(logging.Formatter("%(levelname)-8s %(name)s:%(funcName)s %(message)s"))
logger.addHandler(handler)
console = logging.StreamHandler(sys.stdout)
console.setLevel(logging.WARNING)
console.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
logger.addHandler(console)


class RedactFilter(logging.Filter):
    def filter(self, record):
        record.msg = str(record.msg).replace("secret", "******")
        return True


logger.addFilter(RedactFilter())


def process(items):
    logger.info("processing %d items", len(items))
    ok = 0
    for item in items:
        try:
            ok += 10 // item
        except ZeroDivisionError:
            logger.exception("cannot process %r", item)
        except TypeError as exc:
            logger.warning("bad type: %s", exc)
    logger.debug("the secret total is %d", ok)
    return ok


total = process([1, 2, 0, "x", 5])
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
logging.info("root logger works")
lines = stream.getvalue().splitlines()
print(len([l for l in lines if l.startswith(("INFO", "DEBUG", "WARNING", "ERROR"))]))
print(lines[0])
print(lines[-1])
print(logging.getLevelName(30), logger.isEnabledFor(logging.DEBUG))
total
#> value: 17
#> stdout: "[ERROR] cannot process 0\nTraceback (most recent call last):\n  File \"main.py\", line 31, in process\n    ok += 10 // item\n          ~~~^^~~~~~\nZeroDivisionError: integer division or modulo by zero\n[WARNING] bad type: unsupported operand type(s) for //: 'int' and 'str'\nroot logger works\n4\nINFO     pipeline:process processing 5 items\nDEBUG    pipeline:process the ****** total is 17\nWARNING True\n"
