import traceback


class TransientError(Exception):
    pass


def flaky(attempt):
    if attempt < 3:
        raise TransientError(f"attempt {attempt} failed")
    return "ok"


def retry(function, times):
    for attempt in range(1, times + 1):
        try:
            return function(attempt)
        except TransientError:
            text = traceback.format_exc()
            print(text.strip().splitlines()[-1])
    raise RuntimeError("gave up")


print(retry(flaky, 5))
try:
    retry(flaky, 1)
except RuntimeError as e:
    tb = traceback.extract_tb(e.__traceback__)
    print([frame.name for frame in tb], "".join(traceback.format_exception_only(e)).strip())
#> stdout: "TransientError: attempt 1 failed\nTransientError: attempt 2 failed\nok\nTransientError: attempt 1 failed\n['<module>', 'retry'] RuntimeError: gave up\n"
