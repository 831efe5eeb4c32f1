class Own(BaseException):
    pass


try:
    raise Own("not an Exception")
except Exception:
    pass
#> outcome: ["failure"]
#> error_type: ["Own"]
