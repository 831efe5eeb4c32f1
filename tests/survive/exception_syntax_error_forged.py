class Text(str):
    pass


error = SyntaxError("forged", ("main.py", -5, 10**20, Text("x" * 10**6), "end", None))
error.print_file_and_line = error
error.msg = error
raise error
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["SyntaxError", "OverflowError", "TypeError"]
