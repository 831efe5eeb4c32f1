order = []


def leave(how):
    for _ in range(2):
        try:
            order.append("try")
            if how == "return":
                return order
            if how == "break":
                break
            continue
        except ValueError:
            order.append("except")
        else:
            order.append("else")
        finally:
            order.append(how)
    return order


for how in ["return", "break", "continue"]:
    leave(how)
order
#> value: ["try", "return", "try", "break", "try", "continue", "try", "continue"]
