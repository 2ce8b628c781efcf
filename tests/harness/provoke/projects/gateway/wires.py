"""Sockets, TLS and HTTP."""

import http.client
import ipaddress
import json
import selectors
import socket
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import closing, contextmanager

import h11


class Unreachable(Exception):
    """The other side does not answer."""


@contextmanager
def answering(answer):
    """A server that gives one answer and goes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=answer_once, args=(listener, answer))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def answer_once(listener, answer):
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(2)
        connection.recv(4096)
        connection.sendall(answer)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=2)


def greeted(name):
    with closing(connected(closed_port())) as connection:
        connection.sendall(name.encode())


def greeted_or_told(name):
    try:
        greeted(name)
    except OSError as error:
        raise Unreachable(f"{name} is not reachable") from error


def unix(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with connection:
        connection.connect(path)


def bound_twice(name):
    with socket.create_server(("127.0.0.1", 0)) as first:
        bound(first.getsockname()[1], name)


def bound(port, name):
    with socket.create_server(("127.0.0.1", port)) as second:
        second.send(name)


def slow(seconds):
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(seconds / 1e7)
        return left.recv(10)


def not_ready(count):
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        return left.recv(count)


def hung_up(text):
    left, right = socket.socketpair()
    right.close()
    with left:
        left.sendall(text)


def after_close(text):
    left, right = socket.socketpair()
    left.close()
    with right:
        left.send(text)


def packed(address):
    return socket.inet_aton(address)


def port_number(port):
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", port))


def service_of(name):
    return socket.getservbyname(name)


def watched_twice(data):
    left, right = socket.socketpair()
    with left, right, selectors.DefaultSelector() as selector:
        selector.register(left, selectors.EVENT_READ, data)
        selector.register(left, selectors.EVENT_WRITE, data)


def not_watched(count):
    left, right = socket.socketpair()
    with left, right, selectors.DefaultSelector() as selector:
        selector.modify(left, count)


def network(text):
    return ipaddress.ip_network(text)


def address(text):
    return ipaddress.ip_address(text)


def host_in(text, host):
    return ipaddress.ip_address(host) in list(network(text).subnets(new_prefix=8))


def trusted(path):
    return ssl.create_default_context(cafile=path)


def with_certificate(path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)


def handshake(text, name):
    with answering(text.encode()) as port, connected(port) as connection:
        tls(connection, name)


def tls(connection, name):
    ssl.create_default_context().wrap_socket(connection, server_hostname=name)


def ciphers(names):
    ssl.create_default_context().set_ciphers(names)


def asked(answer, path="/"):
    with answering(answer) as port:
        return answer_of(http.client.HTTPConnection("127.0.0.1", port, timeout=2), path)


def answer_of(connection, path):
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()


def answered_json(answer, key):
    return json.loads(asked(answer))[key]


def header(answer, name):
    with answering(answer) as port, closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().headers[name].split(";")


def before_request(path):
    connection = http.client.HTTPConnection("127.0.0.1", 1)
    connection.putheader("X-Path", path)


def too_early(path):
    http.client.HTTPConnection(path).getresponse()


def bad_port(host):
    return http.client.HTTPConnection(host)


def fetched(answer, path):
    with answering(answer) as port:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=2).read()


def fetched_from_nobody(path):
    return urllib.request.urlopen(f"http://127.0.0.1:{closed_port()}/{path}", timeout=2)


def fetched_or_told(path):
    try:
        return fetched_from_nobody(path)
    except urllib.error.URLError:
        return fallback(path)


def fallback(path):
    return {"index": "/"}[path]


def opened(url):
    return urllib.request.urlopen(url)


def request_of(method, target):
    connection = h11.Connection(h11.CLIENT)
    return connection.send(h11.Request(method=method, target=target, headers=[]))


def received(data):
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    return connection.next_event()


def body_without_head(data):
    return h11.Connection(h11.CLIENT).send(h11.Data(data=data))


def too_much_body(data):
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="PUT", target="/", headers=[("Host", "a"), ("Content-Length", "1")]))
    connection.send(h11.Data(data=data))


def bad_header(name):
    return h11.Response(status_code=200, headers=[(name, "1")])


def bad_status(code):
    return h11.Response(status_code=code, headers=[])
