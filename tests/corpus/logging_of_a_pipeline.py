import logging
import sys

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stdout)
logger = logging.getLogger(__name__)


def process(records):
    logger.info("Processing %d records", len(records))
    total = 0
    for record in records:
        try:
            total += int(record)
        except ValueError:
            logger.warning("Skipping invalid record: %r", record)
    logger.debug("not shown")
    return total


if __name__ == "__main__":
    result = process(["1", "2", "x", "4"])
    logger.info("Total: %s", result)
#> stdout: "INFO __main__: Processing 4 records\nWARNING __main__: Skipping invalid record: 'x'\nINFO __main__: Total: 7\n"
