class Own(BaseException):
    pass


try:
    raise Own("not an Exception")
except Exception:
    pass
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["Own"]
