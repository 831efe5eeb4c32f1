import typing


def main():
    print("running as", __name__)
    return {"name": __name__}


if __name__ == "__main__":
    main()
#> value: {"name": "__main__"}
#> stdout: "running as __main__\n"
