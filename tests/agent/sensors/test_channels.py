"""Names as devices of many makers write them, and the roles that an engineer would give them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SiteError, UsageError
from agent.records import Channel, Layout
from agent.sensors import channels, comtrade
from agent.sensors.channel_names import phases, read_unit
from agent.sensors.channels import derive, of_sensor, parse_map, resolve

PLAIN = "ia=IA ib=IB ic=IC ua=UA ub=UB uc=UC"


def source(text: str) -> Layout:
    """Channels written as `name|unit|phase field`, with semicolons between them."""
    words = [[*word.split("|"), "", ""][:3] for word in text.split(";")]
    fields = phases([field for _, _, field in words])
    listed = [Channel(n, u, phase=f) for (n, u, _), f in zip(words, fields, strict=True)]
    return Layout("f1", tuple(listed))


def told(found: channels.ChannelMap, layout: Layout) -> str:
    """A mapping as words: role=channel, and *factor where it is not 1."""
    words = []
    for role in channels.ROLES:
        use = found.uses.get(role)
        if use is not None and role != channels.SWITCH:
            factor = "" if use.factor == 1 else f"*{use.factor:.4g}"
            words.append(f"{role}={layout.channels[use.index].name}{factor}")
    return " ".join(words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("IA|A;IB|A;IC|A;UA|V;UB|V;UC|V", PLAIN, id="plain-names"),
        pytest.param("UA|V;UB|V;UC|V;IA|A;IB|A;IC|A", PLAIN, id="any-order"),
        pytest.param("IA|A;IC|A;UA|V;UB|V;UC|V;3U0|V;IB|A", f"{PLAIN} u0=3U0*0.3333", id="3U0"),
        pytest.param(
            "IA|kA;IB|kA;IC|kA;3I0|mA;UA|kV;UB|kV;UC|kV;U0|V",
            "ia=IA*1000 ib=IB*1000 ic=IC*1000 i0=3I0*0.001 ua=UA*1000 ub=UB*1000 uc=UC*1000 u0=U0",
            id="units-with-prefixes",
        ),
        pytest.param("IA;IB;IC;VA;VB;VC", "ia=IA ib=IB ic=IC ua=VA ub=VB uc=VC", id="no-units"),
        pytest.param(
            "I_A|A;I_B|A;I_C|A;IN|A;VAN|V;VBN|V;VCN|V;VN|V",
            "ia=I_A ib=I_B ic=I_C i0=IN ua=VAN ub=VBN uc=VCN u0=VN",
            id="phase-to-neutral-names",
        ),
        pytest.param(
            "IL1|A;IL2|A;IL3|A;IE|A;UL1E|V;UL2E|V;UL3E|V;Uen|V;UL12|V",
            "ia=IL1 ib=IL2 ic=IL3 i0=IE ua=UL1E ub=UL2E uc=UL3E u0=Uen",
            id="L1-L2-L3-in-one-word",
        ),
        pytest.param(
            "L1-I|A;L2-I|A;L3-I|A;L1-U|V;L2-U|V;L3-U|V;U L1-L2|V",
            "ia=L1-I ib=L2-I ic=L3-I ua=L1-U ub=L2-U uc=L3-U",
            id="phase-before-quantity",
        ),
        pytest.param("I A|A;I B|A;I C|A", "ia=I A ib=I B ic=I C", id="words-apart"),
        pytest.param("2IA|A;2IB|A;2IC|A", "ia=2IA ib=2IB ic=2IC", id="numbered-bay"),
        pytest.param("iA|A;iB|A;iC|A;uAB|V", "ia=iA ib=iB ic=iC", id="small-quantity-letter"),
        pytest.param(
            "A相电流|A;B相电流|A;C相电流|A;零序电流|A;A相电压|V;B相电压|V;C相电压|V;零序电压|V",
            "ia=A相电流 ib=B相电流 ic=C相电流 i0=零序电流 "
            "ua=A相电压 ub=B相电压 uc=C相电压 u0=零序电压",
            id="chinese",
        ),
        pytest.param(
            "母线A相电压|千伏;母线B相电压|千伏;母线C相电压|千伏;开口三角电压|伏;AB线电压|千伏",
            "ua=母线A相电压*1000 ub=母线B相电压*1000 uc=母线C相电压*1000 u0=开口三角电压*0.3333",
            id="chinese-open-delta",
        ),
        pytest.param(
            "V1|V;V2|V;V3|V;I1|A;I2|A;I3|A;I4|A|N;V4|V|N",
            "ia=I1 ib=I2 ic=I3 i0=I4 ua=V1 ub=V2 uc=V3 u0=V4",
            id="numbers-with-neutral-by-field",
        ),
        pytest.param("I1|A;I2|A;I0|A", "i0=I0", id="sequence-components-are-no-phases"),
        pytest.param(
            "IR|A;IY|A;IB|A;IN|A;VR|V;VY|V;VB|V;VRY|V;VYB|V;VBR|V",
            "ia=IR ib=IY ic=IB i0=IN ua=VR ub=VY uc=VB",
            id="red-yellow-blue",
        ),
        pytest.param(
            "IR|A|R;IS|A|S;IT|A|T;URS|V;UR|V|R;US|V|S;UT|V|T",
            "ia=IR ib=IS ic=IT ua=UR ub=US uc=UT",
            id="R-S-T",
        ),
        pytest.param(
            "UU|V;UV|V;UW|V;IU|A;IV|A;IW|A", "ia=IU ib=IV ic=IW ua=UU ub=UV uc=UW", id="U-V-W"
        ),
        pytest.param("red|A|R;yellow|A|Y;blue|A|B", "ia=red ib=yellow ic=blue", id="fields-only"),
        pytest.param(
            "CH1|A|A;CH2|A|B;CH3|A|C;CH4|A|N;CH5|V|L1-N;CH6|V|L2-N;CH7|V|L3-N",
            "ia=CH1 ib=CH2 ic=CH3 i0=CH4 ua=CH5 ub=CH6 uc=CH7",
            id="channel-numbers-with-fields",
        ),
        pytest.param(
            "IAW|A;IBW|A;ICW|A;IAX|A;IBX|A;ICX|A;VAY|V;VBY|V;VCY|V;VAZ|V;VBZ|V;VCZ|V",
            "ia=IAW ib=IBW ic=ICW ua=VAY ub=VBY uc=VCY",
            id="first-of-two-terminals",
        ),
        pytest.param(
            "UA2|V;UB2|V;UA1|V;UB1|V;UC1|V", "ua=UA1 ub=UB1 uc=UC1", id="first-complete-set"
        ),
        pytest.param("IA|A;IC|A;UAB|V;UBC|V", "ia=IA ic=IC", id="two-transformers-and-a-V"),
        pytest.param("UAB|V;UBC|V;UCA|V", "", id="phase-to-phase-voltages-only"),
        pytest.param("Bus|V|AB;Bus|V|BC;Bus|V|CA", "", id="phase-to-phase-by-field"),
        pytest.param("IA RMS|A;IdA|A;IA|A;IB|A;IC|A", "ia=IA ib=IB ic=IC", id="derived-quantities"),
        pytest.param("IA|A|A;IB|A|A;IC|A|A", "ia=IA ib=IB ic=IC", id="same-field-everywhere"),
        pytest.param("IA|A|A;IB|A|B;IC|A|B", "ia=IA ib=IB ic=IC", id="one-wrong-field"),
        pytest.param(
            "Bay B IA|A;Bay B IB|A;Bay B IC|A",
            "ia=Bay B IA ib=Bay B IB ic=Bay B IC",
            id="phase-letter-in-the-bay-name",
        ),
        pytest.param("VT1 UA|V;VT1 UB|V;VT1 UC|V", "ua=VT1 UA ub=VT1 UB uc=VT1 UC", id="VT1-first"),
        pytest.param("U1 IA|A;U1 IB|A;U1 IC|A", "ia=U1 IA ib=U1 IB ic=U1 IC", id="unit-decides"),
        pytest.param(
            "IC7 UA|V;IC7 UB|V;IC7 UC|V", "ua=IC7 UA ub=IC7 UB uc=IC7 UC", id="bay-like-a-current"
        ),
        pytest.param(
            "Line B U A|V;Line B U B|V;Line B U C|V",
            "ua=Line B U A ub=Line B U B uc=Line B U C",
            id="phase-beside-its-quantity",
        ),
        pytest.param("IN RMS|A;IN|A", "i0=IN", id="derived-residual"),
        pytest.param(
            "Phase A Current|Amps;PhaseBCurrent|Amps;Phase C Current|Amps;Neutral Current|Amps",
            "ia=Phase A Current ib=PhaseBCurrent ic=Phase C Current i0=Neutral Current",
            id="english-words",
        ),
        pytest.param(
            "Load UA|V;Load UB|V;Load UC|V;UA|V;UB|V;UC|V;Load IA|A;Load IB|A;Load IC|A",
            "ia=Load IA ib=Load IB ic=Load IC ua=UA ub=UB uc=UC "
            "u_load_a=Load UA u_load_b=Load UB u_load_c=Load UC",
            id="load-side-voltages",
        ),
        pytest.param(
            "I\u0410|A;I\u0412|A;I\u0421|A",
            "ia=I\u0410 ib=I\u0412 ic=I\u0421",
            id="cyrillic-letters",
        ),
        pytest.param("Power|kW;Frequency|Hz;|", "", id="nothing-of-use"),
    ],
)
def test_roles_are_derived_from_names_units_and_fields(text: str, expected: str) -> None:
    layout = source(text)

    assert told(derive(layout), layout) == expected


def test_every_channel_is_used_or_told_with_its_reason() -> None:
    layout = source("IA|A;IB|A;IC|A;UAB|V;IA2|A;f|Hz;Ux|V;Ic RMS|A")

    findings = derive(layout).findings

    assert [finding.split(" is left out: ")[0] for finding in findings] == [
        "channel UAB", "channel IA2", "channel f", "channel Ux", "channel Ic RMS",
    ]  # fmt: skip
    reasons = ["phase-to-phase", "another channel", "'Hz'", "phase cannot be told", "derived"]
    for finding, reason in zip(findings, reasons, strict=True):
        assert reason in finding


def test_a_name_that_contradicts_its_phase_field_is_told() -> None:
    layout = source("IA|A|B;IB|A|A;IC|A|C")

    found = derive(layout)

    assert told(found, layout) == "ia=IB ib=IA ic=IC"
    assert found.findings[0] == (
        "channel IA: phase A by its name, B by its phase field; B is taken"
    )


@pytest.mark.parametrize("name", ["52A CB1", "QF1 Breaker closed", "断路器合位", "HWJ"])
def test_a_switch_is_derived_from_a_status_that_says_closed(name: str) -> None:
    found = derive(source("IA|A"), ["Trip", "52B", name])

    assert found.uses["switch"] == channels.ChannelUse("switch", 2)


def test_no_switch_is_derived_from_other_states() -> None:
    assert "switch" not in derive(source("IA|A"), ["Trip", "52B", "TWJ", "51 PICKUP"]).uses


@given(st.lists(st.tuples(st.text(max_size=12), st.sampled_from(["A", "kV", "", "V", "x"]))))
def test_any_names_give_a_mapping_onto_distinct_channels_of_the_right_kind(
    names: list[tuple[str, str]],
) -> None:
    layout = Layout("s", tuple(Channel(name, unit) for name, unit in names))

    found = derive(layout)

    indices = [use.index for use in found.uses.values()]
    assert len(indices) == len(set(indices))
    for role, use in found.uses.items():
        assert layout.channels[use.index].unit in (("A", "") if role[0] == "i" else ("V", "kV", ""))


ALPHABET = "ABCIUVLN0123 _-相电流压零序RSTYkdx"


@given(st.lists(st.text(alphabet=ALPHABET, max_size=8), max_size=12), st.data())
def test_names_alike_to_real_ones_are_read_without_a_fault(
    names: list[str], data: st.DataObject
) -> None:
    fields = data.draw(st.lists(st.text(alphabet=ALPHABET, max_size=4), min_size=len(names),
                                max_size=len(names)))  # fmt: skip
    layout = source(";".join(f"{n}|A|{f}" for n, f in zip(names, fields, strict=True)))

    found = derive(layout)

    assert {use.index for use in found.uses.values()} <= set(range(len(layout.channels)))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("A", ("i", 1.0)), ("kA", ("i", 1e3)), ("mA", ("i", 1e-3)), ("MA", ("i", 1e-3)),
        ("KV", ("u", 1e3)), ("mV", ("u", 1e-3)), ("Volts", ("u", 1.0)), ("Amps", ("i", 1.0)),
        ("A prim", ("i", 1.0)), ("V(sec)", ("u", 1.0)), ("kVrms", ("u", 1e3)), ("安", ("i", 1.0)),
        ("", ("", 1.0)), ("pu", ("", 1.0)), ("-", ("", 1.0)),
        ("VA", ("?", 1.0)), ("kVAr", ("?", 1.0)), ("Hz", ("?", 1.0)), ("Ah", ("?", 1.0)),
        ("V/Hz", ("?", 1.0)), ("°", ("?", 1.0)),
    ],
)  # fmt: skip
def test_units(unit: str, expected: tuple[str, float]) -> None:
    assert read_unit(unit) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("A B C N", "A B C N"), ("a b c n", "A B C N"), ("1 2 3 0", "A B C N"),
        ("L1 L2 L3 E", "A B C N"), ("R S T", "A B C"), ("R Y B", "A B C"), ("AB BC CA", "AB BC CA"),
        ("L1-L2 L2-L3 L3-L1", "AB BC CA"), ("A-N B-N C-N", "A B C"), ("CB AC", "BC CA"),
        ("A相 B相 C相", "A B C"), ("A ? C", "A - C"),
    ],
)  # fmt: skip
def test_phase_fields(fields: str, expected: str) -> None:
    assert [phase or "-" for phase in phases(fields.split())] == expected.split()


def test_a_stated_map_is_read() -> None:
    assert parse_map(" ia = IA, u0=3U0 ,switch=52A,ib=x=y,") == {
        "ia": "IA", "u0": "3U0", "switch": "52A", "ib": "x=y",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ix=IA", "no role 'ix'"),
        ("ia=IA,ia=IB", "role ia stands twice"),
        ("IA", "'IA' is not role=channel"),
        ("ia=", "'ia=' is not role=channel"),
        ("", "no channel"),
        ("ix=IA,ia", "no role 'ix'; 'ia' is not role=channel"),
    ],
)
def test_a_stated_map_that_is_wrong_tells_every_word(text: str, told: str) -> None:
    with pytest.raises(UsageError, match="expected role=channel") as caught:
        parse_map(text)

    assert caught.value.what == told


def test_a_stated_map_is_found_in_the_layout_with_factors() -> None:
    layout = source("IA|kA;Phase B|;3U0|V;UN|V")

    found = resolve({"ia": "ia", "ib": "Phase B", "u0": "3U0"}, layout)

    assert told(found, layout) == "ia=IA*1000 ib=Phase B u0=3U0*0.3333"
    assert told(resolve({"u0": "UN"}, layout), layout) == "u0=UN"


def test_a_switch_is_found_among_the_status_channels() -> None:
    found = resolve({"switch": "QF closed"}, source("IA|A"), ["Trip", "QF closed"])

    assert found.uses == {"switch": channels.ChannelUse("switch", 1)}


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ({"ia": "IX"}, "ia: no channel 'IX'; expected one of IA, IB, UA, ub, UB"),
        ({"ia": "UA"}, "ia: channel UA is in V; expected a current"),
        ({"ua": "IA"}, "ua: channel IA is in A; expected a voltage"),
        ({"ia": "IA", "ib": "IA"}, "channel IA serves ia and ib; expected one role"),
        ({"switch": "52A"}, "switch: no channel '52A'; expected one of (there is none)"),
        ({"ub": "uB"}, "ub: no channel 'uB'; expected one of IA, IB, UA, ub, UB"),
    ],
)
def test_a_stated_map_that_does_not_fit_the_source_is_told(
    wanted: dict[str, str], line: str
) -> None:
    with pytest.raises(SiteError) as caught:
        resolve(wanted, source("IA|A;IB|A;UA|V;ub|V;UB|V"), where="bay main")

    assert caught.value.findings == (f"bay main: {line}",)


def test_all_wrong_roles_of_a_stated_map_are_told_at_once() -> None:
    with pytest.raises(SiteError) as caught:
        resolve({"ia": "X", "ix": "IA", "ub": "IB"}, source("IA|A;IB|A"))

    assert len(caught.value.findings) == 3


def test_entries_of_a_bay_are_told_apart_by_their_sensor() -> None:
    wired = {"ia": "f1.IA", "ib": "f1.IB.2", "ua": "f2.UA", "uc": "UC"}

    assert of_sensor(wired, "f1") == {"ia": "IA", "ib": "IB.2"}
    assert of_sensor(wired, "f3") == {}


@pytest.mark.skipif("FTU_RECORDS" not in os.environ, reason="FTU_RECORDS names no folder")
def test_real_records_are_mapped_completely() -> None:
    found = comtrade.find([Path(os.environ["FTU_RECORDS"])])

    assert found.paths
    for path in found.paths:
        layout = comtrade.read(path).layout
        mapped = derive(layout)
        assert not mapped.findings
        assert {"ia", "ib", "ic", "ua", "ub", "uc"} <= set(mapped.uses)
        assert len(mapped.uses) == len(layout.channels)
