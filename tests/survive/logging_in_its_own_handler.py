import logging


class Handler(logging.Handler):
    def emit(self, record):
        logging.error("again %s", record)


logging.getLogger().addHandler(Handler())
try:
    logging.error("first")
except RecursionError:
    print("too deep", end="")
#> class: "self denial of service"
#> outcome: ["completed", "failure", "memory_limit", "cpu_limit"]
