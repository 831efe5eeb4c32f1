from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor()


def more(depth):
    return pool.submit(more, depth + 1).result()


try:
    more(0)
except RecursionError:
    print("too deep", end="")
future = pool.submit(lambda: future.result())
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
