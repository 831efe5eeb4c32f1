import random
from operator import attrgetter

attrgetter("_os.abort")(random)()
#> outcome: ["failure"]
