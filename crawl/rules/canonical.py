"""The one form of a URL that stands for a resource: the key of "asked already". Pure."""

from __future__ import annotations

import re

from crawl.rules.escapes import besides, in_one_form

HTTP_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", re.I)
AUTHORITY = re.compile(r"(\[[^\]@]*\]|[^:@]*)(?::0*([0-9]*))?")
DEFAULT_PORTS = {"http": "80", "https": "443"}
IN_PATHS, IN_QUERIES = besides("!$&'()*+,;=:@/"), besides("!$&'()*+,;=:@/?")

# What says who asks, or whence, and not what is asked for. Source: the servers' and trackers' own documentation.
SESSIONS = ("phpsessid", "jsessionid", "cfid", "cftoken", "oscsid", "zenid", "xtcsid")
CLICKS = (
    *("fbclid", "gclid", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "twclid", "ttclid", "igshid", "igsh"),
    *("li_fat_id", "epik", "srsltid", "mc_cid", "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "vero_id"),
    *("oly_anon_id", "oly_enc_id", "wickedid", "pk_campaign", "pk_kwd", "pk_source"),
)
SAYS_NOTHING = frozenset(SESSIONS + CLICKS)
SAYS_NOTHING_BEFORE = ("utm_", "mtm_", "aspsessionid")  # and whatever follows
# Also names of things, a story's number or a talk at a conference: dropped only when the value looks drawn.
# Chosen by eye.
MIXED = re.compile(r"(?=[^0-9]*[0-9])(?=[^a-z]*[a-z])[0-9a-z,_-]{6,}|[0-9]{12,}", re.I)
LONG_MIXED = re.compile(r"(?=[^0-9]*[0-9])(?=[^a-z]*[a-z])[0-9a-z,_-]{16,}|[0-9]{12,}", re.I)
PERHAPS_SESSION = {"sid": MIXED, "sessionid": MIXED, "session_id": MIXED, "sessid": MIXED, "session": LONG_MIXED}
SESSION_IN_PATH = re.compile(r";(?:(?:jsession|phpsess)id=[^/;]*|s(?:ess(?:ion_?)?)?id=[0-9a-z]{16,}(?![^/;]))", re.I)
ASP_SESSION = re.compile(r"/\((?:[ASF]\([0-9a-z]{24}\))+\)(?=/)", re.I)


def canonical(url: str) -> str:
    """`url` without what does not change the resource: session and click ids, fragment, user, default port.

    Scheme and host in lower case, dot segments resolved, escapes in one form (RFC 3986, 6.2.2 and 6.2.3), no
    empty query. Parameters keep their order, for some servers read them by it: a site that shuffles them is
    held by its template instead. Idempotent; what is no http(s) URL stays as it is.
    """
    found = HTTP_URL.match(url)
    if not found:
        return url
    scheme, authority, path, query = found.groups()
    scheme = scheme.lower()
    try:
        path = _resolved(_without_session(in_one_form(path, IN_PATHS)))
        kept = "&".join(part for part in in_one_form(query, IN_QUERIES).split("&") if _says(part)) if query else ""
    except UnicodeEncodeError:
        return url
    return f"{scheme}://{_host(authority, scheme)}{path}{'?' if kept else ''}{kept}"


def _host(authority: str, scheme: str) -> str:
    host = authority.rpartition("@")[2].lower()
    found = AUTHORITY.fullmatch(host)
    if not found:
        return host
    name, port = found[1].rstrip("."), found[2]
    return name if port in (None, "", DEFAULT_PORTS[scheme]) else f"{name}:{port}"


def _without_session(path: str) -> str:
    if ";" in path:
        path = SESSION_IN_PATH.sub("", path)
    return ASP_SESSION.sub("", path) if "/(" in path else path


def _resolved(path: str) -> str:
    """`path` without dot segments. Source: RFC 3986, 5.2.4."""
    if "/." not in path:
        return path or "/"
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept if segments[-1] not in (".", "..") else [*kept, ""])


def _says(parameter: str) -> bool:
    """Whether a parameter says something about what is asked for."""
    name, _, value = parameter.partition("=")
    name = name.lower()
    if not parameter or name in SAYS_NOTHING or name.startswith(SAYS_NOTHING_BEFORE):
        return False
    drawn = PERHAPS_SESSION.get(name)
    return not (drawn and drawn.fullmatch(value))
