import traceback


class AppError(Exception):
    code = 1

    def __str__(self):
        return f"[{self.__class__.__name__}:{self.code}] {super().__str__()}"


class ConfigError(AppError):
    code = 2


def load(text):
    try:
        return dict(pair.split("=") for pair in text.split(","))
    except ValueError as error:
        raise ConfigError(f"bad config {text!r}") from error


for text in ("a=1,b=2", "a=1,b"):
    try:
        print(load(text))
    except AppError as error:
        print(error, "caused by", type(error.__cause__).__name__)
        lines = "".join(traceback.format_exception(error)).splitlines()
        print([line for line in lines if line and not line.startswith(" ")])
#> stdout: "{'a': '1', 'b': '2'}\n[ConfigError:2] bad config 'a=1,b' caused by ValueError\n['Traceback (most recent call last):', 'ValueError: dictionary update sequence element #1 has length 1; 2 is required', 'The above exception was the direct cause of the following exception:', 'Traceback (most recent call last):', \"ConfigError: [ConfigError:2] bad config 'a=1,b'\"]\n"
