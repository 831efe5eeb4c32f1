"""Primes by slices of a bytearray, and by trial division."""


def sieve(limit):
    prime = bytearray([1]) * (limit + 1)
    prime[:2] = b"\0\0"
    for n in range(2, int(limit**0.5) + 1):
        if prime[n]:
            prime[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n in range(limit + 1) if prime[n]]


def is_prime(n):
    divisor = 2
    while divisor * divisor <= n:
        if n % divisor == 0:
            return False
        divisor += 1
    return n > 1


len(sieve(500_000)), sum(is_prime(n) for n in range(12_000))
