"""The one table of topics: what travels where, which way, how surely and for how long.

contract.md section 4 in code. A topic of a node is ftu/1/{site}/{node}/ and its name below, a
topic of a whole site ftu/1/{site}/ and its name. Topics of later parts join with their parts.
What a payload looks like stands in wire.py and ftu.cddl.

Portable.
"""

ROOT = "ftu/1"
ANY = "+"  # MQTT's wildcard of one level

BIRTH, STATE, LIVE = "birth", "state", "m"
ACK, HOST = "ack/{consumer}", "_host/{consumer}"
REPLAY, ASK, DRAIN = "replay", "ask", "_ctl/drain"
CMD, RES = "cmd/{op}", "res"
LANES = {"a": "e/a", "s": "e/s", "h": "e/h", "w": "e/w", "x": "e/x"}

UP, DOWN = "up", "down"

# name: (way, who writes it, QoS, retain, expiry [s], what it carries: a rule of ftu.cddl)
TOPICS = {
    BIRTH: (UP, "link", 1, True, None, "birth"),
    STATE: (UP, "link and will", 1, True, None, "state"),
    LANES["a"]: (UP, "link, from guard's lane", 1, False, None, "envelope"),
    LANES["s"]: (UP, "link", 1, False, None, "envelope"),
    LANES["h"]: (UP, "link, from guard's lane", 1, False, None, "envelope"),
    LANES["w"]: (UP, "link, from guard's lane", 1, False, None, "envelope"),
    LANES["x"]: (UP, "link", 1, False, None, "envelope"),
    # Guard measures twice a second; what a screen gets later than this is no longer live.
    LIVE: (UP, "link", 0, False, 2, "live"),
    ACK: (DOWN, "consumer", 1, True, None, "ack"),
    HOST: (DOWN, "consumer and will", 1, True, None, "state"),
    # A question that reaches a node later than this was meant for another situation.
    REPLAY: (DOWN, "consumer", 1, False, 300, "replay"),
    ASK: (DOWN, "consumer", 1, False, 300, "ask"),
    CMD: (DOWN, "whoever the site file trusts", 1, False, 300, "signed-message"),
    RES: (UP, "link", 1, False, 300, "command-result"),
    DRAIN: (DOWN, "whoever runs the fleet", 1, True, None, "drain"),
}
# Topics of a whole site, without a node.
SHARED = (HOST, DRAIN)

# What stands for a name in the last level: a consumer's, or an operation's.
_PLACEHOLDERS = ("{consumer}", "{op}")
_NAMED = {"ack": ACK, "_host": HOST, "cmd": CMD}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_LONGEST = 32
_LONGEST_TOPIC = 160  # root, three names and what lies between them
# These stand where a node's name stands.
_RESERVED = ("_host", "_ctl")


def topic(name: str, site: str, node: "str | None" = None, consumer: "str | None" = None) -> str:
    """The topic called `name` in TOPICS, for these names; ANY stands for each of them.

    node: for all but SHARED; consumer: where the name has a place for one, or for an operation.
    Raises: ValueError for a name that cannot stand in a topic, or one too many or too few.
    """
    if name not in TOPICS:
        raise ValueError(f"topic {name!r}; expected one of {', '.join(sorted(TOPICS))}")
    placeholder = _placeholder(name)
    if (node is None) != (name in SHARED) or (consumer is None) != (placeholder is None):
        raise ValueError(f"topic {name}: node {node!r}, consumer {consumer!r} do not fit it")
    for given, check in ((site, check_name), (node, check_node), (consumer, check_name)):
        if given not in (None, ANY):
            check(given)
    below = name if consumer is None else name.replace(placeholder or "", consumer)
    return "/".join([level for level in (ROOT, site, node, below) if level is not None])


def parse(received: str) -> "tuple[str, str, str | None, str | None]":
    """(name in TOPICS, site, node, consumer or operation); what it does not have is None.

    Raises: ValueError for a topic that is none of ours.
    """
    if len(received) > _LONGEST_TOPIC:
        raise ValueError(f"topic of {len(received)} letters; expected at most {_LONGEST_TOPIC}")
    levels = received.split("/")
    if len(levels) < 5 or "/".join(levels[:2]) != ROOT:
        raise ValueError(f"topic {received!r}; expected {ROOT}/site/...")
    site = check_name(levels[2])
    if levels[3] in _RESERVED:
        node, below = None, levels[3:]
    else:
        node, below = check_node(levels[3]), levels[4:]
    consumer = None
    name = "/".join(below)
    if len(below) == 2 and below[0] in _NAMED:
        consumer = check_name(below[1])
        name = _NAMED[below[0]]
    if name not in TOPICS or (node is None) != (name in SHARED):
        raise ValueError(f"topic {received!r}; expected one of {', '.join(sorted(TOPICS))}")
    return name, site, node, consumer


def _placeholder(name: str) -> "str | None":
    for each in _PLACEHOLDERS:
        if each in name:
            return each
    return None


def lane_of(name: str) -> "str | None":
    """The lane whose records the topic called `name` carries; None when it carries none."""
    for lane, each in LANES.items():
        if each == name:
            return lane
    return None


def check_name(name: str) -> str:
    """The name itself. Raises: ValueError unless it is 1 to 32 of A-Z a-z 0-9 _ -."""
    if not 0 < len(name) <= _LONGEST or any(letter not in _LETTERS for letter in name):
        raise ValueError(f"name {name!r}; expected 1 to {_LONGEST} of A-Z a-z 0-9 _ -")
    return name


def check_node(name: str) -> str:
    """The name of a node itself. Raises: ValueError, also for the names of shared topics."""
    if name in _RESERVED:
        raise ValueError(f"node {name!r}; expected another name, this one is reserved")
    return check_name(name)
