big = 7**60_000
quotient, rest = divmod(big, 3**70_000)
try:
    int("9" * 5000)
except ValueError as error:
    print(str(error).split(";")[0])
[big.bit_length(), quotient * 3**70_000 + rest == big, len(str(10**4000)), int("9" * 4000) + 1 == 10**4000]
#> value: [168442, true, 4001, true]
#> stdout: "Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits\n"
