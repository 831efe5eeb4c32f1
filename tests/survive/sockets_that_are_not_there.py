connected = []
for name in ("socket", "_socket", "ssl", "select", "selectors", "urllib.request", "http.client", "http.server", "ftplib", "smtplib", "socketserver", "xmlrpc.client", "webbrowser"):
    for act in (
        lambda module: module.create_connection(("127.0.0.1", listener_port)),
        lambda module: module.socket().connect(("127.0.0.1", listener_port)),
        lambda module: module.getaddrinfo("canary.example", 80),
        lambda module: module.urlopen(f"http://127.0.0.1:{listener_port}/"),
        lambda module: module.HTTPConnection("127.0.0.1", listener_port).request("GET", "/"),
        lambda module: module.select([0], [1], [], 0),
        lambda module: module.socketpair(),
    ):
        try:
            connected.append(act(__import__(name, fromlist=["x"])))
        except Exception:
            pass
connected
#> class: "exfiltration"
#> outcome: ["completed"]
#> value: []
