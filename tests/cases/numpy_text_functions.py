import numpy as np
import numpy.char as texts

names = np.array(["ada lovelace", "alan turing"])
padded = np.char.center(np.char.title(names), 16, "*")
print(padded)
for name in np.char.__all__:
    if name not in ("array", "asarray", "chararray"):
        getattr(np.char, name)
[np.char.upper(names), texts.count(names, "a"), np.char.add(names, "!"), np.strings.find(names, "l")]
#> value: [["ADA LOVELACE", "ALAN TURING"], [3, 2], ["ada lovelace!", "alan turing!"], [4, 1]]
#> stdout: "['**Ada Lovelace**' '**Alan Turing***']\n"
#> host: "needs numpy"
