"""Hostile input: every entrance of the agent by which bytes come from outside, one target each.

A target takes any bytes and answers nothing. What the entrance refuses by an error of the project
is in order; what else escapes is a defect: another exception, an error of many lines, an answer
that does not survive being written and read again, a hang, or memory that grows.

    targets.py   the table: name, function, examples
    uplink.py    what a broker and other clients say
    commands.py  commands, signed or not
    waves.py     waveforms as a consumer gets them
    stored.py    files that the agent finds on its own disk
    handed.py    files that people and other devices hand over
    lines.py     what meters and digitisers say
    oracle.py    what every target has to keep to
    corpus/      found inputs, one folder each, which `make test` replays
    __main__.py  one target under atheris, which steers by coverage
    unit.py      that, and the growth of its memory, as units of `make soak`

The examples of a target are valid inputs; hypothesis and atheris begin with them.
"""
