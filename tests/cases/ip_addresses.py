import ipaddress

network = ipaddress.ip_network("192.168.1.0/29")
address = ipaddress.ip_address("192.168.1.5")
[address in network, len(list(network.hosts())), network.broadcast_address, address.is_private, ipaddress.ip_address("::1").is_loopback, str(address + 1), [str(part) for part in network.subnets(new_prefix=30)]]
#> value: [true, 6, "IPv4Address('192.168.1.7')", true, true, "192.168.1.6", ["192.168.1.0/30", "192.168.1.4/30"]]
#> repr: true
