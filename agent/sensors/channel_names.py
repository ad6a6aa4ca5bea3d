"""What the name, unit and phase field of one channel say by themselves: a Clue.

Reads the ways in which relays and recorders name a phase current or voltage, in English, German
and Chinese. What the clues of a source mean together is for channels.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.records import Channel

_PREFIXES = {"k": 1e3, "千": 1e3, "m": 1e-3, "毫": 1e-3, "u": 1e-6, "": 1.0}
# A feeder has neither megamperes nor megavolts: MA is a milliampere in capitals.
_UNIT = re.compile(
    r"([kmu千毫]?)(a|安|v|伏)(?:培|特|mp(?:ere)?s?|olts?)?"
    r"(?:[\s_.(\[-].*|rms|eff|pk|peak|pri\w*|sec\w*)?",
    re.IGNORECASE,
)

# Letters that a country gives to its phases; "abc" stands for L1, L2, L3 in symbols.
_ALPHABETS = ("ABC", "RYB", "RST", "UVW")
_PAIRS = {letters[k] + letters[(k + 1) % 3] for letters in (*_ALPHABETS, "123") for k in range(3)}
_PAIRS |= {"BA", "CB", "AC", "21", "32", "13"}

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z][a-z]{2})|(?<=[A-Z])(?=[A-Z][a-z]{2})")
# Words as devices write them, in the order of replacement.
_WORDS = tuple(
    (re.compile(pattern), f" {token} ")
    for pattern, token in (
        (r"开口三角|OPEN[ _-]?DELTA|BROKEN[ _-]?DELTA", "DELTA"),
        (r"正序|负序|(?:POS|NEG)(?:ITIVE|ATIVE)?[ _-]?SEQ[A-Z]*", "DERIVED"),
        (r"差流|差动|制动|有效值|相角|角度|谐波|频率", "DERIVED"),
        (r"零序|零线|中性点|中性线", "0"),
        (r"ZERO[ _-]?SEQ[A-Z]*|NEUTRAL|RESIDUAL|EARTH|GROUND", "0"),
        (r"负荷侧|用户侧|(?<![A-Z])LOAD(?![A-Z])", "LOAD"),
        (r"电流|(?<![A-Z])(?:CURRENTS?|CURR|AMPERES?|AMPS?|STROM)(?![A-Z])", "I"),
        (r"线?电压|(?<![A-Z])(?:VOLTAGES?|VOLTS?|SPANNUNG)(?![A-Z])", "U"),
        (r"(?<![A-Z])PHASE|(?<![A-Z])PHS?(?=[ _.-]?(?:[ABCRSTY123]|L[123])(?![A-Z0-9]))|相", ""),
        (r"[(\[](?:KA|MA|V|KV|MV)[)\]]", ""),
    )
)
# Cyrillic letters that look like A, B, C and T: a keyboard left in the other layout.
_HOMOGLYPHS = str.maketrans("\u0410\u0412\u0421\u0422", "ABCT")

_TOKEN = re.compile(r"[A-Z0-9]+|[^\WA-Z0-9_]+")
_DERIVED = re.compile(
    r"DERIVED|RMS|MAG|ANG(?:LE)?|FREQ|THD|I?DIFF?[ABC123]?|REST(?:RAINT)?|BIAS|ID[ABC]?|H\d{1,2}"
)
_NEUTRAL = re.compile(r"\d?([IUV])L?(?:0S?|O|N[ES]?|GS?|E[NES]?|RES|SEF)\d?")
_NEUTRAL_ALONE = re.compile(r"3?0|N|RES|SEF")
_LINE = re.compile(r"\d?([UV])L?([ABCRSTYUVW123])L?([ABCRSTYUVW123])\d?")
_LINE_ALONE = re.compile(r"([ABCRSTY])([ABCRSTY])|L([123])L?([123])")
_PHASE = re.compile(r"\d?([IUV])(L?)([ABCRSTYUVW123])(?:[D-Z]?\d{0,2}|PRIM?|SEC|BUS|LINE)")
_PHASE_ALONE = re.compile(r"(L?)([ABCRSTY123])[NG]?")
_FIELD = re.compile(r"L?([ABCRSTYUVW123])(?:[NGE0]|L?([ABCRSTYUVW123]))?")
_NEUTRAL_FIELD = re.compile(r"3?[IUV]?[0NGE]|LN|RES|GND")


@dataclass(frozen=True, slots=True)
class Clue:
    """What one channel says of itself.

    quantity: "i", "u" or "" when unknown; unit_quantity: the same by the unit alone, "?" when the
    unit is of something else. factor: to A or V. field: the phase field. symbol: the phase in the
    name, a letter of its alphabet, "a" "b" "c" for L1 L2 L3, a digit, "N", "n" when it tells the
    neutral by a word of its own only, "line" or "". stem: the name without its phase, alike in a
    set of three. threefold: 3U0 or an open delta. derived: no waveform, or not of one phase.
    """

    index: int
    name: str
    unit: str
    quantity: str
    unit_quantity: str
    factor: float
    field: str
    symbol: str
    stem: str
    threefold: bool
    load: bool
    derived: bool


def clue(index: int, channel: Channel) -> Clue:
    """What the channel at `index` of a layout says of itself."""
    unit_quantity, factor = read_unit(channel.unit)
    tokens = _tokens(channel.name)
    named, symbol, stem = _read_name(tokens, unit_quantity)
    quantity = (unit_quantity or named).strip("?")
    return Clue(
        index=index,
        name=channel.name,
        unit=channel.unit,
        quantity=quantity,
        unit_quantity=unit_quantity,
        factor=factor,
        field=channel.phase,
        symbol=symbol,
        stem=stem,
        threefold=symbol in tuple("Nn") and _threefold(tokens),
        load=quantity == "u" and "LOAD" in tokens,
        derived=any(_DERIVED.fullmatch(token) for token in tokens),
    )


def read_unit(unit: str) -> tuple[str, float]:
    """("i" or "u", factor to A or V); "?" for another unit, "" for none that tells."""
    text = unicodedata.normalize("NFKC", unit).strip().replace("μ", "u")
    if text.strip("-_. 1") == "" or text.lower() in ("pu", "p.u.", "none"):
        return "", 1.0
    match = _UNIT.fullmatch(text)
    if not match:
        return "?", 1.0
    return "i" if match[2] in "aA安" else "u", _PREFIXES[match[1].lower()]


def _tokens(name: str) -> list[str]:
    """The words of a name in capitals, those for current, voltage and zero as I, U and 0."""
    text = _CAMEL.sub(" ", unicodedata.normalize("NFKC", name))
    text = text.upper().translate(_HOMOGLYPHS)
    for pattern, token in _WORDS:
        text = pattern.sub(token, text)
    return _TOKEN.findall(text)


def _threefold(tokens: Sequence[str]) -> bool:
    """Whether a neutral channel is three times the zero sequence: 3U0, 3 U0, an open delta."""
    zero = next((k for k, token in enumerate(tokens) if _NEUTRAL.fullmatch(token)), None)
    if zero is None:
        return not {"DELTA", "3", "30", "3U", "3V"}.isdisjoint(tokens)
    return tokens[zero].startswith("3") or tokens[zero - 1 : zero] == ["3"] or "DELTA" in tokens


def _read_name(tokens: Sequence[str], unit_quantity: str) -> tuple[str, str, str]:
    """(quantity, symbol, stem): the best token that holds quantity and phase, as IA; else apart.

    A token of the quantity that the unit tells goes before others, a letter A, B, C before
    letters that may mean something else, and these before digits.
    """
    read = [(k, *found) for k, token in enumerate(tokens) if (found := _read_token(token))]
    if not read:
        return _read_apart(tokens)
    of_unit = [r for r in read if r[1] == unit_quantity] or read
    k, quantity, symbol, rest = min(of_unit, key=lambda r: _doubt(r[2]))
    return quantity, symbol, " ".join([*tokens[:k], rest, *tokens[k + 1 :]])


def _doubt(symbol: str) -> int:
    return 2 if symbol.isdigit() else 0 if symbol in ("line", *"ABCabc") else 1


def _read_token(token: str) -> tuple[str, str, str] | None:
    """(quantity, symbol, the token without its phase) of a token such as IA, UL12, 3I0."""
    neutral, line, phase = (kind.fullmatch(token) for kind in (_NEUTRAL, _LINE, _PHASE))
    if neutral:
        return _quantity(neutral[1]), "N", token
    if line and line[2] + line[3] in _PAIRS:
        return "u", "line", token
    if phase:
        rest = token[: phase.start(3)] + token[phase.end(3) :]
        return _quantity(phase[1]), _symbol(phase[2], phase[3]), rest
    return None


def _quantity(letter: str) -> str:
    return "i" if letter == "I" else "u"


def _symbol(l_prefix: str, letter: str) -> str:
    return "abc"["123".index(letter)] if l_prefix and letter in "123" else letter


def _read_apart(tokens: Sequence[str]) -> tuple[str, str, str]:
    """The same where quantity and phase are words of their own, as in L1-I or U A."""
    at = next((k for k, t in enumerate(tokens) if t in ("I", "U", "V", "3I", "3U", "3V")), None)
    quantity = "u" if "DELTA" in tokens else "" if at is None else _quantity(tokens[at][-1])
    stem = " ".join(tokens)
    if "DELTA" in tokens:
        return quantity, "N", stem
    found = [(k, m) for k, t in enumerate(tokens) if k != at and (m := _PHASE_ALONE.fullmatch(t))]
    if quantity != "i" and _tells_line(tokens, [k for k, _ in found]):
        return quantity, "line", stem
    candidates = [(k, m) for k, m in found if m[1] or m[2] not in "123"] or found
    if not candidates:
        neutral = any(_NEUTRAL_ALONE.fullmatch(t) for k, t in enumerate(tokens) if k != at)
        return quantity, "n" if neutral else "", stem
    # The phase stands next to the quantity, rather behind it than before it.
    near = {at + 1: 0, at - 1: 1} if at is not None else {}
    k, match = min(candidates, key=lambda pair: near.get(pair[0], 2))
    return quantity, _symbol(match[1], match[2]), " ".join([*tokens[:k], *tokens[k + 1 :]])


def _tells_line(tokens: Sequence[str], phases_at: Sequence[int]) -> bool:
    """Whether two phases stand together, as in U A-B, U L1-L2 or AB."""
    pairs = [
        tokens[k][-1] + tokens[k + 1][-1]
        for k in phases_at
        if k + 1 in phases_at and tokens[k].isdigit() == tokens[k + 1].isdigit()
    ]
    together = [m for token in tokens if (m := _LINE_ALONE.fullmatch(token))]
    pairs += ["".join(filter(None, m.groups())) for m in together]
    return not _PAIRS.isdisjoint(pairs)


def alphabet_of(symbols: Iterable[str]) -> str:
    """The letters that a source gives to its phases A, B and C, by the letters it uses."""
    used = set(symbols)
    if used & set("AC"):
        return "ABC"
    if "Y" in used or used >= set("RB"):
        return "RYB"
    if len(used & set("RST")) > 1:
        return "RST"
    return "UVW" if used >= set("VW") else "ABC"


def phase_of(symbol: str, alphabet: str) -> str:
    """A, B, C for a symbol of the alphabet or of L1 L2 L3; N and "line" as they are; else ""."""
    if symbol in ("n", "N", "line"):
        return symbol if symbol == "line" else "N"
    for letters in (alphabet, "abc"):
        if symbol and symbol in letters:
            return "ABC"[letters.index(symbol)]
    return ""


def phases(fields: Sequence[str]) -> list[str]:
    """Phase fields of a source's channels as A, B, C, N, AB, BC, CA or "".

    Read together, for B is the second phase beside A and C, but the third beside R and Y.
    """
    texts = ["".join(_tokens(field)) for field in fields]
    matches = [_FIELD.fullmatch(text) for text in texts]
    alphabet = alphabet_of(letter for m in matches if m for letter in m.groups() if letter)
    read = []
    for text, match in zip(texts, matches, strict=True):
        if match:
            letters = [_field_phase(letter, alphabet) for letter in match.groups() if letter]
            told = "".join(letters) if all(letters) else ""
            read.append({"BA": "AB", "CB": "BC", "AC": "CA"}.get(told, told))
        else:
            read.append("N" if _NEUTRAL_FIELD.fullmatch(text) else "")
    return read


def _field_phase(letter: str, alphabet: str) -> str:
    return "ABC"["123".index(letter)] if letter in "123" else phase_of(letter, alphabet)
