import io
import logging

buffer = io.StringIO()
log = logging.getLogger("app.db")
log.setLevel(logging.DEBUG)
log.propagate = False
handler = logging.StreamHandler(buffer)
handler.setFormatter(logging.Formatter("[{levelname:<8}] {name}:{lineno} {message}", style="{"))
log.addHandler(handler)


class OnlyErrors(logging.Filter):
    def filter(self, record):
        return record.levelno >= logging.ERROR


errors = logging.StreamHandler(buffer)
errors.addFilter(OnlyErrors())
errors.setFormatter(logging.Formatter("!! %(message)s in %(funcName)s"))
log.addHandler(errors)


def query(sql):
    log.debug("executing %s", sql)
    try:
        raise ConnectionError("lost connection")
    except ConnectionError:
        log.exception("query failed")


query("SELECT 1")
text = buffer.getvalue()
print(text.splitlines()[0])
print([line for line in text.splitlines() if line.startswith("!!")])
print("Traceback (most recent call last):" in text, text.count("ConnectionError: lost connection"))
#> stdout: "[DEBUG   ] app.db:25 executing SELECT 1\n['!! query failed in query']\nTrue 2\n"
