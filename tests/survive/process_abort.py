import random
from operator import attrgetter

attrgetter("_os.abort")(random)()
#> class: "self denial of service"
#> outcome: ["failure"]
