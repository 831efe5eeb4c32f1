import uuid

named = uuid.uuid5(uuid.NAMESPACE_DNS, "python.org")
first, second = uuid.uuid4(), uuid.uuid4()
[str(named), str(uuid.uuid3(uuid.NAMESPACE_DNS, "python.org")), first != second, first.version, uuid.UUID(str(named)) == named, uuid.uuid1() != uuid.uuid1()]
#> value: ["886313e1-3b8a-5372-9b90-0c9aee199e5d", "6fa459ea-ee8a-3ca4-894e-db77e160355e", true, 4, true, true]
