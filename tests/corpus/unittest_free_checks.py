import sys
import traceback


def is_prime(n):
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def test_small_primes():
    assert [n for n in range(20) if is_prime(n)] == [2, 3, 5, 7, 11, 13, 17, 19]


def test_failing():
    assert is_prime(9), "9 is not prime"


failures = 0
for test in (test_small_primes, test_failing):
    try:
        test()
        print("PASS", test.__name__)
    except AssertionError as error:
        failures += 1
        frame = traceback.extract_tb(error.__traceback__)[-1]
        print("FAIL", test.__name__, error, "in", frame.name)
sys.exit(1 if failures else 0)
#> stdout: "PASS test_small_primes\nFAIL test_failing 9 is not prime in test_failing\n"
#> outcome: "failure"
#> error: "SystemExit: 1"
