import warnings


def old_api(x):
    warnings.warn("old_api is deprecated, use new_api", DeprecationWarning, stacklevel=2)
    return x * 2


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(old_api(4))
    print([(w.category.__name__, str(w.message)) for w in caught])

with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        old_api(1)
    except DeprecationWarning as w:
        print("raised:", w)
warnings.filterwarnings("ignore", message="old_api")
print(old_api(5))
#> stdout: "8\n[('DeprecationWarning', 'old_api is deprecated, use new_api')]\nraised: old_api is deprecated, use new_api\n10\n"
