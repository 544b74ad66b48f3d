import pytest

from of3.runtime.logs.names import folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IMG_1", "img_1"),
        ("sub/A", "SUB/a"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u1e9e", "ss"),
        ("\u00e5", "\u212b"),
        ("\ufb01n", "FIN"),
        ("\u03c3\u03c2", "\u03a3\u03a3"),
        ("a\u200db\ufe0f", "AB"),
        ("\u1ea5", "A\u0302\u0301"),
    ],
)
def test_what_a_file_system_may_take_for_one_folds_to_one(one, other):
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"), [("a", "b"), ("a/b", "ab"), ("\udcff", "\udcfe"), ("e", "\u00e9"), ("a b", "ab")]
)
def test_other_names_stay_apart(one, other):
    assert folded(one) != folded(other)
