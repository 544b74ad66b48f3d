import pytest

from of3.engines import host

CPUINFO = "processor\t: 0\nmodel name\t: {name}\nflags\t\t: fpu sse2 {flags}\nbugs\t\t:\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("flags", "has"),
    [
        ("amx_bf16 avx512f", True),
        ("avx512_bf16", True),
        ("avx512f amx_tile amx_int8", False),
        ("avx512_bf16x", False),
        ("", False),
    ],
)
def test_bf16_is_what_the_processor_says_of_itself(tmp_path, flags, has):
    told = tmp_path / "cpuinfo"
    told.write_text(CPUINFO.format(name="A (R) Processor", flags=flags))
    assert host.has_bf16(told) is has
    assert host.processor(told) == "A (R) Processor"


def test_where_nobody_says_there_is_none(tmp_path):
    assert not host.has_bf16(tmp_path / "none")
    assert host.processor(tmp_path / "none") == ""
