"""E-mail addresses, URLs that let somebody in, IP addresses."""

import ipaddress
import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import unquote

from pipeline.text.personal.kinds import Found, Kind

_EMAIL = re.compile(
    r"(?<!\w)(?<!\w[.%+\-])\w[\w.%+'\-]{0,63}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8}(?<=[^\W\d_])"
    r"|(?<!\w)(?<!\w[.%+\-])\w[\w.%+\-]{0,63} ?[\[(](?:at|arroba|chiocciola|arobase)[\])] ?[\w\-]{1,63}"
    r"(?:(?:\.| ?[\[(](?:dot|punto|punkt|point|ponto)[\])] ?)[\w\-]{1,63}){1,8}(?<=[^\W\d_])",
    re.IGNORECASE,
)
_URL = re.compile(r"(?<![A-Za-z0-9])(?:[a-z][a-z0-9+.\-]{1,15}://|www\.)[^\s<>\"'`\[\]{}|\\^]{3,2000}", re.IGNORECASE)
_AFTER_URL = ".,;:!?*_~)"
_SECRET_NAME = re.compile(
    r"(?i)[?&;#/](?:[\w\-]{0,20}[_\-])?(?:token|key|apikey|sig|signature|secret|password|passwd|pwd|pass|auth|session"
    r"|sessionid|sid|jwt|otp|credential|code|invite|reset|e?mail|phone|tel|user(?:name|id)?|uid)(?:[_\-]?id)?"
    r"=[^&#;]{2}"
)
_UUID = re.compile(r"(?i)(?<![0-9a-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-z])")
_JWT = re.compile(r"eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]+")
_RANDOM = re.compile(r"[A-Za-z0-9]{16,}")
_COMMIT = re.compile(r"/(?:commit|tree|blob|raw)/\Z")

_IPV4 = re.compile(r"(?<![\w.\-])(?:\d{1,3}\.){3}\d{1,3}(?![\w\-]|\.\d)")
_IPV6 = re.compile(r"(?i)(?<![\w:.])(?=[0-9a-f]{0,4}:[0-9a-f:]*:)[0-9a-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])")
_IP_WORD = re.compile(r"(?i)(?<!\w)(?:ip|ipv4|address|adresse|dirección|direccion|indirizzo|endereço|host|server)\b")
_NO_IP = re.compile(
    r"(?i)(?:(?<!\w)v(?:er(?:s(?:ión?|ione|ão|ion(?:en)?)?)?)?\.?|firmware|build|release|update|driver|app|software"
    r"|section|sección|abschnitt|kapitel|chapter|capítulo|capitolo|chapitre|mise à jour|actualización|sdk|patch"
    r"|aggiornamento|atualização)(?:\W{1,3}(?:to|auf|a|à|la|die|version|versión|versione|versão))?\W{0,3}\Z"
)
_SMALL_OCTET = 31


def emails(text: str) -> Iterator[Found]:
    """E-mail addresses, also those written with (at) and (dot)."""
    for match in _EMAIL.finditer(text):
        yield Found(Kind.EMAIL, match.start(), match.end())


def secret_urls(text: str) -> Iterator[Found]:
    """URLs with a password, a token, or a person's address in them; other URLs are not personal."""
    for match in _URL.finditer(text):
        url = match.group().rstrip(_AFTER_URL)
        if _is_secret(unquote(url)):
            yield Found(Kind.URL, match.start(), match.start() + len(url))


def _is_secret(url: str) -> bool:
    authority, _, rest = (url.partition("://")[2] or url).partition("/")
    if "@" in authority or _EMAIL.search(rest) or _SECRET_NAME.search(url) or _UUID.search(url) or _JWT.search(url):
        return True
    return any(_looks_random(run.group(), url[: run.start()]) for run in _RANDOM.finditer(url))


def _looks_random(run: str, before: str) -> bool:
    """Letters and digits mixed, as no word and no number has them."""
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(run))
    return changes > 2 and not _COMMIT.search(before)


def ip_addresses(text: str) -> Iterator[Found]:
    """IPv4 and IPv6 addresses; what could be a version is one only where the words before it say so."""
    for match in _IPV4.finditer(text):
        if _is_ip(match.group()) and not _is_version(text, match):
            yield Found(Kind.IP, match.start(), match.end())
    for match in _IPV6.finditer(text):
        value = match.group()
        if any(char.isdigit() for char in value) and value.count(":") > 1 and _is_ip(value):
            yield Found(Kind.IP, match.start(), match.end())


def _is_ip(value: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or value == "255.255.255.255")


def _is_version(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 40) : match.start()]
    if _NO_IP.search(before):
        return True
    return all(int(o) <= _SMALL_OCTET for o in match.group().split(".")) and not _IP_WORD.search(before)
