"""Where documents come from: files, AWS, and https hosts that may do what they like."""

import io
import socket
import ssl
import threading
import tracemalloc
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.utils import get_environ_proxies

from handlers.access.documents import FetchError, HttpsHost, https_document, open_document
from handlers.settings.environ import SettingsError
from handlers.settings.proxy import read_proxy
from temporal_codec.aws import AwsError
from tests.rigs.sockets import OK, answer_ok, head, listening, over_tls, tunnel


def test_a_server_that_keeps_the_connection_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Connection: close` may be ignored: the length says where the document ends."""
    gone = threading.Event()

    def answer(stream: socket.socket) -> None:
        head(stream)
        stream.sendall(OK)
        gone.wait(10)

    with over_tls(tmp_path, answer) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert https_document(f"https://localhost:{port}/jwks")() == b"{}"
        gone.set()


@pytest.mark.parametrize("chunked", [True, False])
def test_a_document_that_is_cut_off_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    how = (
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}" if chunked else b"Content-Length: 3\r\n\r\n{}"
    )

    def answer(stream: socket.socket) -> None:
        head(stream)
        stream.sendall(b"HTTP/1.1 200 OK\r\n" + how)

    with over_tls(tmp_path, answer) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        with pytest.raises(FetchError, match="IncompleteRead"):
            https_document(f"https://localhost:{port}/jwks")()


def test_a_request_says_what_it_wants_and_who_asks() -> None:
    """A firewall may refuse one without a User-Agent; what is compressed would be a bomb."""
    seen: list[bytes] = []

    def answer(stream: socket.socket) -> None:
        seen.append(head(stream))
        stream.sendall(OK)

    with listening(answer) as port:
        address = f"http://127.0.0.1:{port}"
        https_document(f"{address}/jwks?a=b")()
        https_document(address)()
        HttpsHost(address).get("/users", {"Authorization": "Bearer key"})

    def request(target: str, *more: str) -> bytes:
        lines = [
            *(f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", *more),
            *("User-Agent: temporal-codec-server", "Accept: application/json"),
            *("Accept-Encoding: identity", "Connection: close", "", ""),
        ]
        return "\r\n".join(lines).encode()

    assert seen == [
        request("/jwks?a=b"),
        request("/"),
        request("/users", "Authorization: Bearer key"),
    ]


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("https://a.example.com/x", 443),
        ("https://a.example.com:8443/x", 8443),
        ("http://localhost/x", 80),
        ("http://127.0.0.1/x", 80),
        ("http://[::1]:8080/x", 8080),
    ],
)
def test_the_port_is_the_scheme_s_or_the_address_s(
    address: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def resolve(_host: str, port: int, **_: object) -> None:
        asked.append(port)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(FetchError, match="cannot be resolved"):
        https_document(address)()
    assert asked == [port]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.2/", "http://a.example.com/", "ftp://localhost/"]
)
def test_without_tls_only_this_machine_is_asked(address: str) -> None:
    with pytest.raises(ValueError, match="an https address is needed"):
        HttpsHost(address)


ANSWERS: dict[str, tuple[bytes, str]] = {
    "plain": (b"200 OK\r\nContent-Encoding: identity", ""),
    "compressed": (b"200 OK\r\nContent-Encoding: gzip", "is compressed"),
    "created": (b"201 Created", "status 201"),
    "redirected": (b"302 Found\r\nLocation: /other", "status 302"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_only_a_plain_document_is_taken(name: str) -> None:
    """A fault names the document and has the answer's status."""
    start, fault = ANSWERS[name]

    def answer(stream: socket.socket) -> None:
        head(stream)
        stream.sendall(b"HTTP/1.1 " + start + b"\r\nContent-Length: 2\r\n\r\n{}")

    with listening(answer) as port:
        fetch = https_document(f"http://127.0.0.1:{port}/jwks")
        if not fault:
            assert fetch() == b"{}"
            return
        with pytest.raises(FetchError) as caught:
            fetch()
    assert str(caught.value).startswith(f"http://127.0.0.1:{port}/jwks: ")
    assert fault in str(caught.value)
    assert caught.value.status == (int(fault[7:]) if fault.startswith("status") else None)


def test_a_document_may_be_asked_for_again_soon_if_there_were_too_many_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a second, or as AWS's fault says; after other faults when the cache says so."""
    cooldowns = [FetchError("no", 429).cooldown, FetchError("no", 500).cooldown]
    assert [*cooldowns, FetchError("no").cooldown] == [1.0, None, None]

    def throttled(*_: object, **__: object) -> None:
        raise AwsError("ThrottlingException")

    monkeypatch.setattr("handlers.access.documents._service", lambda *_: throttled)
    with pytest.raises(FetchError, match="s3:a/b: ThrottlingException") as caught:
        open_document("s3:a/b", 10)()
    assert caught.value.cooldown == AwsError("ThrottlingException").cooldown


def test_a_certificate_for_another_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J1: a trusted certificate of another host is no proof of this one; nothing is sent."""
    seen: list[bytes] = []

    def answer(stream: socket.socket) -> None:
        seen.append(head(stream))
        stream.sendall(OK)

    with over_tls(tmp_path, answer, hosts=("other.example.com",)) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        with pytest.raises(FetchError, match="SSLCertVerificationError"):
            https_document(f"https://localhost:{port}/jwks")()
    assert not any(seen)


def test_reading_stops_at_the_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """J1: what the server goes on sending is not taken in."""
    sent = 0

    def answer(stream: socket.socket) -> None:
        nonlocal sent
        head(stream)
        stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(3000):
            stream.sendall(bytes(10_000))
            sent += 10_000

    with over_tls(tmp_path, answer) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        with pytest.raises(FetchError, match="150000 bytes"):
            https_document(f"https://localhost:{port}/jwks")()
    # What the two sockets buffer comes on top, and is far from the 30 MB that would be sent.
    assert sent < 20_000_000


def test_a_head_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(stream: socket.socket) -> None:
        head(stream)
        for _ in range(100):
            stream.sendall(b"X-A: " + b"b" * 60_000 + b"\r\n")

    with over_tls(tmp_path, answer) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        with pytest.raises(FetchError):
            https_document(f"https://localhost:{port}/jwks")()


def test_a_proxy_is_used_and_given_its_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY: TLS goes through it end to end."""
    asked: list[bytes] = []
    with over_tls(tmp_path, answer_ok) as port, listening(tunnel(asked)) as proxy:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        proxy_of = read_proxy({"HTTPS_PROXY": f"http://user:p%40ss@127.0.0.1:{proxy}"})
        assert https_document(f"https://localhost:{port}/jwks", proxy_of)() == b"{}"
    assert asked[0].startswith(f"CONNECT localhost:{port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic " + b64encode(b"user:p@ss") in asked[0]


@pytest.mark.parametrize(
    "no_proxy", ["localhost", "*", "other, LOCALHOST", ".localhost", "localhost:{port}"]
)
def test_no_proxy_is_honored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    with over_tls(tmp_path, answer_ok) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        given = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": no_proxy.format(port=port)}
        assert https_document(f"https://localhost:{port}/jwks", read_proxy(given))() == b"{}"


PROXY = "http://127.0.0.1:1"
FORMS = {
    "upper case": {"HTTPS_PROXY": PROXY},
    "lower case": {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:2"},
    "unset in lower case": {"https_proxy": "", "HTTPS_PROXY": PROXY},
    "no scheme": {"HTTPS_PROXY": "127.0.0.1:1"},
    "not in the list": {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8,other:443,a.example.co"},
    "another port": {"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example.com:444"},
    "the port": {"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example.com:8443"},
    "the domain": {"HTTPS_PROXY": PROXY, "NO_PROXY": ".example.com"},
    "the list in lower case": {"HTTPS_PROXY": PROXY, "NO_PROXY": "*", "no_proxy": "other"},
    "an empty list in lower case": {"HTTPS_PROXY": PROXY, "NO_PROXY": "*", "no_proxy": ""},
}


@pytest.mark.parametrize("name", FORMS)
def test_a_proxy_is_chosen_as_botocore_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same process, from the same variables."""
    for variable in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in FORMS[name].items():
        monkeypatch.setenv(variable, value)
    url = "https://a.example.com:8443/jwks"
    chosen = read_proxy(FORMS[name])(urlsplit(url).netloc)
    theirs = get_environ_proxies(url).get("https")
    assert (chosen is None) == (theirs is None)
    assert chosen is None or f"{chosen.host}:{chosen.port}" in str(theirs)


def test_http_on_this_machine_needs_no_proxy() -> None:
    """HTTPS_PROXY is for https; a proxy would look for the server on its own machine."""
    with listening(answer_ok) as port:
        proxy_of = read_proxy({"HTTPS_PROXY": PROXY})
        assert https_document(f"http://127.0.0.1:{port}/jwks", proxy_of)() == b"{}"


@pytest.mark.parametrize(
    "url",
    [
        *("https://u:s3cret@p:1", "socks5://u:s3cret@p:1", "http://", "http://u:s3cret@p:port"),
        "http://u:s3cret@[",
    ],
)
def test_a_proxy_that_cannot_be_used_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        read_proxy({"HTTPS_PROXY": url})
    assert "s3cret" not in str(caught.value)


def test_a_file_is_read_each_time_and_bounded(tmp_path: Path) -> None:
    """An issuer without a network publishes its keys in a file."""
    file = tmp_path / "jwks.json"
    fetch = open_document(f"file:{file}", 10)
    with pytest.raises(FetchError, match=r"jwks\.json: No such file"):
        fetch()
    file.write_bytes(b"1234567890")
    assert fetch() == b"1234567890"
    file.write_bytes(b"12345678901")
    with pytest.raises(FetchError, match="more than 10 bytes"):
        fetch()


def test_a_byte_order_mark_of_a_file_is_taken(tmp_path: Path) -> None:
    """Windows editors write it. It does not count."""
    file = tmp_path / "a folder's #1 & $HOME ключ"
    fetch = open_document(f"file:{file}", 10)
    file.write_bytes(b"\xef\xbb\xbf1234567890")
    assert fetch() == b"1234567890"
    file.write_bytes(b"\xef\xbb\xbf12345678901")
    with pytest.raises(FetchError, match="more than 10 bytes"):
        fetch()


def test_only_the_bounded_part_of_a_file_is_read(tmp_path: Path) -> None:
    """A file that is too large is refused at the cap, and not once it is in memory."""
    file = tmp_path / "policy.json"
    with file.open("wb") as opened:
        opened.truncate(100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(FetchError, match="more than 10 bytes"):
            open_document(f"file:{file}", 10)()
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


class Endless(io.BytesIO):
    """The body of an object; reading to its end would take all memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert 0 <= size <= 11
        return b"x" * size


def test_only_the_bounded_part_of_an_object_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "handlers.access.documents._service", lambda _name: lambda *_, **__: {"Body": Endless()}
    )
    with pytest.raises(FetchError, match="more than 10 bytes"):
        open_document("s3:bucket/policy.json", 10)()


def test_certificates_are_read_with_the_first_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a tenth of a cold start, and by then other threads have work."""
    read: list[str] = []

    def make() -> ssl.SSLContext:
        read.append(threading.current_thread().name)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setattr(ssl, "create_default_context", make)
    fetch = https_document("https://127.0.0.1:1/jwks.json")
    assert read == []
    for _ in range(2):
        with pytest.raises(FetchError, match="no connection"):
            fetch()
    assert read == [threading.current_thread().name]
