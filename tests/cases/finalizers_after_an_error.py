class Lamp:
    def __del__(self):
        print("off")
        raise ValueError("too late")


lamp = Lamp()
print("on")
1 / 0
#> outcome: "failure"
#> error: "ZeroDivisionError: division by zero"
#> line: 9
#> stdout: "on\noff\n"
#> stderr_contains: "ValueError: too late"
#> host: "here the interpreter does not end with the program"
